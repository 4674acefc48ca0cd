//! Columns of databases that store secrets of other services, and their encryption.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::database::{SqliteError, open_reader, truncate_wal};
use crate::secret_cipher::{ENCRYPTED_PREFIX, SecretCipher, SecretCipherError};

/// A column that stores secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretColumn {
    /// File name of the database in the data directory.
    pub database: &'static str,
    /// Name of the table, whose primary key is the column `id`.
    pub table: &'static str,
    /// Name of the column.
    pub column: &'static str,
}

/// Counts the secrets of a column that are stored without encryption. Returns 0 if there is no such database in the data directory.
///
/// # Errors
///
/// Returns an error if the database cannot be read.
pub fn count_plain_secrets(dir: &Path, of: SecretColumn) -> Result<usize, SqliteError> {
    let path = dir.join(of.database);
    if !path.exists() {
        return Ok(0);
    }
    let SecretColumn { table, column, .. } = of;
    let sql = format!("SELECT count(*) FROM {table} WHERE {column} <> '' AND {column} NOT GLOB ?1");
    open_reader(&path)?.query_row(&sql, [format!("{ENCRYPTED_PREFIX}*")], |row| row.get(0)).map_err(SqliteError::sqlite_error(&path))
}

/// Encrypts the secrets in a column with the first key, unless they are already, and checks that all can be decrypted. Returns the
/// number of secrets that were encrypted. Earlier texts do not remain in the file of the database.
///
/// # Errors
///
/// Returns an error if a secret cannot be decrypted, or the database cannot be written. Nothing was changed then.
pub fn encrypt_column(cipher: &SecretCipher, connection: &mut Connection, path: &Path, of: SecretColumn) -> Result<usize, SqliteError> {
    let SecretColumn { table, column, .. } = of;
    let failed = SqliteError::sqlite_error(path);
    let unreadable = |error: SecretCipherError| SqliteError::Secret { path: path.to_owned(), error };
    let transaction = connection.transaction().map_err(&failed)?;
    let stored: Vec<(i64, String)> = transaction
        .prepare(&format!("SELECT id, {column} FROM {table} WHERE {column} <> ''"))
        .and_then(|mut select| select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(&failed)?;
    let mut encrypted = 0;
    for (id, stored) in stored {
        let secret = cipher.decrypt(&stored).map_err(unreadable)?;
        if !cipher.is_current(&stored) {
            transaction
                .execute(&format!("UPDATE {table} SET {column} = ?2 WHERE id = ?1"), params![id, cipher.encrypt(&secret)])
                .map_err(&failed)?;
            encrypted += 1;
        }
    }
    transaction.commit().map_err(&failed)?;
    if encrypted > 0 {
        truncate_wal(connection).map_err(&failed)?;
    }
    Ok(encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN: SecretColumn = SecretColumn { database: "x.db", table: "a", column: "secret" };
    const FIRST: &str = "0101010101010101010101010101010101010101010101010101010101010101";
    const SECOND: &str = "0202020202020202020202020202020202020202020202020202020202020202";

    #[test]
    fn stored_secrets_follow_the_first_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let schema = "CREATE TABLE a (id INTEGER PRIMARY KEY, secret TEXT NOT NULL); INSERT INTO a VALUES (1, 'canary-7'), (2, '');";
        let mut connection = crate::database::open(&path, &[schema]).unwrap();
        let stored = |connection: &Connection| connection.query_row("SELECT secret FROM a", [], |row| row.get::<_, String>(0)).unwrap();
        let first = SecretCipher::from_keys(FIRST).unwrap();
        assert_eq!(count_plain_secrets(dir.path(), COLUMN).unwrap(), 1);
        assert_eq!(encrypt_column(&SecretCipher::default(), &mut connection, &path, COLUMN).unwrap(), 0);
        assert_eq!(encrypt_column(&first, &mut connection, &path, COLUMN).unwrap(), 1);
        assert_eq!(encrypt_column(&first, &mut connection, &path, COLUMN).unwrap(), 0);
        assert_eq!(count_plain_secrets(dir.path(), COLUMN).unwrap(), 0);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(8).any(|window| window == b"canary-7"), "the plain secret must not remain in a file");
        }
        let lost = encrypt_column(&SecretCipher::from_keys(SECOND).unwrap(), &mut connection, &path, COLUMN);
        assert!(matches!(lost, Err(SqliteError::Secret { error: SecretCipherError::MissingKey(_), .. })));
        let both = SecretCipher::from_keys(&format!("{SECOND}\n{FIRST}")).unwrap();
        assert_eq!(encrypt_column(&both, &mut connection, &path, COLUMN).unwrap(), 1);
        assert_eq!(SecretCipher::from_keys(SECOND).unwrap().decrypt(&stored(&connection)).unwrap(), "canary-7");
        // With the keys removed in two steps, the secrets would be plain again; a missing key is an error instead.
        assert!(encrypt_column(&SecretCipher::default(), &mut connection, &path, COLUMN).is_err());
    }
}
