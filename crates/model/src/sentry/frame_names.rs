//! Names of functions, modules and files without the parts that change from build to build.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Parts of the names of functions and modules that change from build to build or from run to run, with an example of each.
const VARIABLE_NAME_PARTS: &[(&str, &str)] = &[
    // Java and Kotlin.
    (r"\$\$Lambda(?:\$\d+)?(?:/(?:0x)?[0-9a-fA-F]+)?", "Shop$$Lambda$14/0x0000000800c03000"),
    (r"lambda\$(?:\w+\$)?\d+", "lambda$main$0"),
    (r"\$\$(?:EnhancerBy|FastClassBy)\w+(?:\$\$[0-9a-fA-F]+)?", "Basket$$EnhancerBySpringCGLIB$$1ea9f6ae"),
    (r"\$\$(?:SpringCGLIB|ExternalSyntheticLambda)(?:\$\$)?\d+", "Basket$$SpringCGLIB$$0"),
    (r"\$\$_\w+_\w+", "Basket$$_WeldClientProxy_1"),
    (r"\$Proxy\d+", "com.sun.proxy.$Proxy42"),
    (r"Generated(?:Method|Constructor|SerializationConstructor)Accessor\d+", "GeneratedMethodAccessor123"),
    (r"_\$\$_jvst[0-9a-f_]+", "Basket_$$_jvst2a3_4b"),
    (r"\$anon(?:fun|class)?\$\d+", "Shop$$anonfun$1"),
    (r"\$\d+\b", "com.shop.Basket$1"),
    // C#.
    (r"<>c__DisplayClass\d+_\d+", "<>c__DisplayClass5_0"),
    (r">([a-z])__\d+(?:_\d+)?", "<Main>b__0_1"),
    (r"lambda_method\d*", "lambda_method123"),
    (r"AnonymousType\d+", "<>f__AnonymousType0"),
    // JavaScript.
    (r"(?:^|\.)<?anonymous>?(?:\d+)?$", "Object.<anonymous>"),
    (r"\beval at .*", "eval at run (https://shop.example/app.js:1:2)"),
    // PHP.
    (r"@anonymous.*", "class@anonymous\0/app/Shop.php:12$0"),
    (r"\{closure(?::[^}]*)?\}", "{closure:/app/Shop.php:12}"),
    // Ruby.
    (r"__\d{4,}(?:_\d+)+", "_app_views_orders_show_html_erb__1234567_70123"),
    (r"\(\d+ levels\)", "block (2 levels) in pay"),
    // Go.
    (r"\.func\d+(?:\.\d+)*(?:\.gowrap\d+)?", "main.func1.2"),
    // Rust.
    (r"::h[0-9a-f]{16}\b", "shop::pay::h0123456789abcdef"),
    (r"\{\{?(?:closure|impl|vtable\.shim)(?:#\d+)?\}?\}", "{{closure}}"),
    // C, C++ and Swift.
    (r"<lambda_[0-9a-f]+>", "<lambda_1a2b3c4d>"),
    (r"\$_\d+", "$_0"),
    (r"\?A0x[0-9a-f]+", "?A0xc3a0617d::pay"),
    (r"\.(?:isra|part|constprop|cold|llvm|lto_priv)(?:\.\d+)*", "pay.isra.0"),
    (r"closure #\d+", "closure #1 in pay()"),
    (r"\+ ?(?:0x[0-9a-fA-F]+|\d+)$", "start + 123"),
    (r"^(?:sub|loc|FUN|fcn)_[0-9a-fA-F]+$", "sub_1400af20"),
    // Elixir and Erlang: anonymous functions have a number.
    (r"-fun-\d+-", "-fun-0-"),
    (r"\banonymous fn/\d+", "anonymous fn/2 in Shop.pay"),
    // Any language.
    (r"\b0x[0-9a-fA-F]+\b", "0x7fff5ea032a6"),
    (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "1f2e3d4c-0000-4000-8000-000000000001"),
    (r"\b[0-9a-f]{24,}\b", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
];

/// What replaces a variable part.
const PLACEHOLDER: &str = "*";
/// Maximum bytes of a name that are compared.
const MAX_NAME_BYTES: usize = 500;

fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

/// Returns the name of a function or module without variable parts.
pub(super) fn normalized_name(name: &str) -> Cow<'_, str> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let parts: Vec<&str> = VARIABLE_NAME_PARTS.iter().map(|(pattern, _)| *pattern).collect();
        Regex::new(&parts.join("|")).expect("a constant pattern")
    });
    let name = shortened(name);
    // Most names are identifiers with dots, which have none.
    if !name.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'<' | b'{' | b'$' | b'@' | b'(' | b'#'))
        && !name.ends_with("anonymous")
    {
        return Cow::Borrowed(name);
    }
    PATTERN.replace_all(name, PLACEHOLDER)
}

/// Returns a module without variable parts. Modules of JavaScript are names of files.
pub(super) fn normalized_module(module: &str) -> String {
    let module = normalized_name(module);
    if module.contains(['/', ':']) { normalized_path(&module) } else { segments(&module, &['.']) }
}

/// Returns the path of a file without host, query, versions and hashes of contents.
pub(super) fn normalized_path(path: &str) -> String {
    let path = shortened(path);
    let path = match path.split_once("://") {
        Some((scheme, rest)) if scheme.len() < 20 => rest.split_once('/').map_or(rest, |(_, path)| path),
        _ => path,
    };
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let path = normalized_name(path);
    let mut normalized = String::with_capacity(path.len());
    for part in path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".") {
        normalized.push('/');
        normalized.push_str(&segments(part, &['.', '-', '_', '@', '~', ':']));
    }
    normalized
}

/// Replaces the parts of a name that are hashes or versions.
fn segments(name: &str, separators: &[char]) -> String {
    if !name.bytes().any(|byte| byte.is_ascii_digit()) && !name.contains('-') {
        return name.to_owned();
    }
    let mut result = String::with_capacity(name.len());
    let mut rest = name;
    // `3.2.1` becomes one placeholder.
    let mut was_replaced = false;
    loop {
        let end = rest.find(separators).unwrap_or(rest.len());
        let part = &rest[..end];
        // The first part of a name is its subject, unless there is no other.
        let (is_first, is_only) = (result.is_empty(), rest.len() == name.len() && end == name.len());
        let is_variable = is_content_hash(part, is_first) || ((!is_first || is_only) && is_number(part));
        if is_variable && was_replaced {
            result.pop();
        } else {
            result.push_str(if is_variable { PLACEHOLDER } else { part });
        }
        was_replaced = is_variable;
        let Some(separator) = rest[end..].chars().next() else { return result };
        result.push(separator);
        rest = &rest[end + separator.len_utf8()..];
    }
}

fn is_number(part: &str) -> bool {
    let digits = part.strip_prefix(['v', 'V']).unwrap_or(part);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Fewest characters of a hash in hexadecimal digits.
const MIN_HEX_HASH: usize = 6;
/// Fewest characters of a hash in letters and digits.
const MIN_LETTER_HASH: usize = 8;

/// Returns whether a part of a file name is a hash of the contents, as bundlers add: `0a1b2c`, `BxY3kD9f`.
fn is_content_hash(part: &str, is_first: bool) -> bool {
    if !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let letters = part.len() - digits;
    if is_hex
        && part.len() >= if is_first { MIN_LETTER_HASH } else { MIN_HEX_HASH }
        && digits > 0
        && (letters > 0 || part.len() >= MIN_LETTER_HASH)
    {
        return true;
    }
    if part.len() < MIN_LETTER_HASH || is_first && part.len() < 2 * MIN_LETTER_HASH {
        return false;
    }
    // Letters and digits alternate; a word with a number at its end does not.
    let changes = part.as_bytes().windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    if digits > 0 { changes >= 3 } else { changes >= 4 && 2 * changes >= part.len() }
}

fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    }
}

/// Parts of paths to the libraries of languages.
pub(crate) const LIBRARY_PLACES: &[&str] = &[
    "site-packages",
    "dist-packages",
    "/lib/python",
    "<frozen ",
    "node_modules",
    "node:",
    "/.cargo/registry/",
    "/rustc/",
    "/go/pkg/mod/",
    "/usr/local/go/",
];
/// Other parts of paths and packages of code that does not belong to the program, for clients that do not report this.
const SYSTEM_PLACES: &[&str] = &[
    "/usr/lib/",
    "/usr/local/lib/",
    "/lib/x86_64",
    "/lib/aarch64",
    "/lib64/",
    "/System/Library/",
    "/System/iOSSupport/",
    "/Library/Developer/CoreSimulator/",
    "libsystem_",
    "libdispatch.dylib",
    "libobjc.A.dylib",
    "CoreFoundation",
    "UIKitCore",
    "dyld",
    "\\Windows\\",
    "C:\\windows\\",
    "ntdll",
    "kernel32",
    "KERNELBASE",
    "ucrtbase",
    "/apex/com.android",
    "/system/framework/",
    "internal/",
    "/vendor/bundle/",
    "/gems/",
    // Headers of compilers, whose templates are compiled into the program.
    "/usr/include/",
    ".xctoolchain/",
    "\\Microsoft Visual Studio\\",
    "\\Windows Kits\\",
];
/// Prefixes of modules of the libraries of languages.
pub(crate) const LIBRARY_MODULES: &[&str] = &["java.", "javax.", "jdk.", "sun.", "kotlin.", "kotlinx.", "scala.", "System.", "Microsoft."];
/// Prefixes of other modules of code that does not belong to the program.
const SYSTEM_MODULES: &[&str] = &["com.sun.", "android.", "androidx.", "com.android.", "dalvik."];

/// Returns whether a place belongs to the system or to a library.
pub(super) fn is_system_place(place: &str) -> bool {
    LIBRARY_PLACES.iter().chain(SYSTEM_PLACES).any(|part| place.contains(part))
}

/// Returns whether a module belongs to the system or to a library.
pub(super) fn is_system_module(module: &str) -> bool {
    LIBRARY_MODULES.iter().chain(SYSTEM_MODULES).any(|prefix| module.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_replaces_its_example() {
        for (pattern, example) in VARIABLE_NAME_PARTS {
            assert!(Regex::new(pattern).unwrap().is_match(example), "{pattern}");
            assert!(normalized_name(example).contains(PLACEHOLDER), "{example}");
        }
    }

    #[test]
    fn names_that_differ_between_builds_are_equal() {
        let same = [
            ("shop.Basket$$Lambda$14/0x0000000800c03000", "shop.Basket$$Lambda$15/0x0000000800d01234"),
            ("shop.Basket$1.run", "shop.Basket$2.run"),
            ("lambda$main$0", "lambda$main$3"),
            ("main.func1", "main.func2.1"),
            ("Shop.<Pay>b__0_1", "Shop.<Pay>b__1_0"),
            ("shop::pay::h0123456789abcdef", "shop::pay::hfedcba9876543210"),
            ("<lambda_1a2b3c4d>::operator()", "<lambda_99ff00aa>::operator()"),
            ("class@anonymous\0/app/a.php:1$0", "class@anonymous\0/srv/b.php:2$1"),
            ("Object.<anonymous>", "Object.<anonymous>"),
        ];
        for (one, other) in same {
            assert_eq!(normalized_name(one), normalized_name(other));
        }
        for name in ["shop.orders.place", "render", "(*Basket).Load", "std::vector<int>::push_back", "utf8_decode", "Basket.remove(at:)"] {
            assert_eq!(normalized_name(name), name);
        }
        assert_ne!(normalized_name("shop.Basket.pay"), normalized_name("shop.Basket.add"));
    }

    #[test]
    fn files_that_differ_between_builds_are_equal() {
        let same = [
            ("https://s.example/static/app.0a1b2c3d4e5f.js", "https://cdn.example/static/app.99aa88bb77cc.js"),
            ("/assets/main.abc123.js", "/assets/main.def456.js"),
            ("/assets/index-BxY3kD9f.js", "/assets/index-C7mNqR2t.js?v=3"),
            ("/assets/index-DqKfTzWb.js", "/assets/index-CvXmPoLj.js"),
            ("/static/js/2.f8a2c1d0.chunk.js", "/static/js/2.00bb11cc.chunk.js"),
            ("https://s.example/1f2e3d4c5b6a7988/app.js", "https://s.example/0011223344556677/app.js"),
            ("/srv/releases/20260101120000/app/a.rb", "/srv/releases/20261130090000/app/a.rb"),
            ("/x/jquery-3.2.1.min.js", "/x/jquery-3.7.0.min.js"),
            (
                "/var/containers/Bundle/Application/1F2E3D4C-0000-4000-8000-000000000001/Shop.app/Shop",
                "/var/containers/Bundle/Application/AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE/Shop.app/Shop",
            ),
        ];
        for (one, other) in same {
            assert_eq!(normalized_path(one), normalized_path(other));
        }
        for (one, other) in [
            ("/a/users.py", "/a/orders.py"),
            ("/a/UserListView.js", "/a/OrderListView.js"),
            ("/a/checkout-form.js", "/a/checkout-view.js"),
            ("/a/Step1.java", "/a/Step2.java"),
        ] {
            assert_ne!(normalized_path(one), normalized_path(other));
        }
        assert_eq!(normalized_module("app.0a1b2c3d:render"), normalized_module("app.99ff88ee:render"));
        assert_eq!(normalized_module("com.shop.Basket"), "com.shop.Basket");
    }
}
