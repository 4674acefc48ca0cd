//! The path of the page to which a sign-in leads: never to another site.

use url::{Position, Url};

/// Maximum length of a path in bytes.
const MAX_PATH_BYTES: usize = 2000;
/// Beginnings of paths that are not pages: they would sign in again or answer with data.
const OTHER_PATHS: [&str; 4] = ["/auth/", "/api/", "/login", "/sign-in"];

/// Returns a path of the page that is safe to redirect to: the given one with its query and fragment, or `/` if it is not a path of this
/// server.
pub fn safe_return_path(path: Option<&str>) -> String {
    path.and_then(normalized).unwrap_or_else(|| "/".to_owned())
}

fn normalized(path: &str) -> Option<String> {
    // Browsers ignore some control characters, and take a backslash for a slash: both can make `//host` of a path.
    let is_plain = path.starts_with('/') && path.len() <= MAX_PATH_BYTES && !path.chars().any(|c| c.is_control() || c == '\\');
    if !is_plain || path.starts_with("//") {
        return None;
    }
    let url = Url::parse("http://hinomi.invalid").ok()?.join(path).ok()?;
    let path = &url[Position::BeforePath..];
    let is_own = url.host_str() == Some("hinomi.invalid") && path.starts_with('/') && !path.starts_with("//");
    (is_own && !OTHER_PATHS.iter().any(|other| path.starts_with(other))).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_of_this_server_are_kept() {
        for path in ["/", "/p/1/traces?q=model:x&last=7d", "/p/1#tab", "/settings"] {
            assert_eq!(safe_return_path(Some(path)), path);
        }
        assert_eq!(safe_return_path(Some("/p/1?q=日本")), "/p/1?q=%E6%97%A5%E6%9C%AC");
        let others = [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/.//evil.example",
            "/x/..//evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "p/1",
            "",
            "/auth/oidc/start",
            "/login?token=x",
            "/sign-in?error=x",
        ];
        for path in others {
            assert_eq!(safe_return_path(Some(path)), "/", "{path:?}");
        }
        assert_eq!(safe_return_path(None), "/");
    }

    proptest! {
        #[test]
        fn no_text_leads_elsewhere(text in "[/\\\\.a:@\t\n ?#%2fF5C]{0,12}") {
            let path = safe_return_path(Some(&text));
            let base = Url::parse("https://own.example").unwrap();
            prop_assert_eq!(base.join(&path).unwrap().origin(), base.origin());
            prop_assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') && path.is_ascii());
        }
    }
}
