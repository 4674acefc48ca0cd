//! Converts the data of genai-prices to a price table and prints it: `import_prices FILE DATE`. Used by `scripts/prices.py`.

use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, date] = arguments.as_slice() else { return Err("import_prices FILE DATE".into()) };
    let imported = hinomi_model::price::import(&std::fs::read_to_string(file)?, date)?;
    writeln!(std::io::stderr(), "left out: {}", imported.left_out.join(", "))?;
    std::io::stdout().write_all(imported.text.as_bytes())?;
    Ok(())
}
