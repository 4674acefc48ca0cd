//! The page is embedded when it has been built; the crate is compiled again when it has been built anew.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
