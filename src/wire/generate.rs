//! Makes the generated Rust from the protos, without protoc, and says when what is checked in is stale.
//!
//! `UPDATE_EXPECT=1 cargo test --lib wire::generate` rewrites it. Servers are compiled only where they are used.

use std::path::{Path, PathBuf};
use std::{env, fs};

const SERVERS_ARE_FOR: &str = r#"#[cfg(any(test, feature = "node"))]"#;
const PUBLIC: &str = "raftsman.v1";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The protos of one package, sorted, relative to `proto/`; none if the package does not exist.
fn protos(package: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(here("proto").join(package)) else { return Vec::new() };
    let files = entries.map(|entry| entry.expect("the directory can be read").path());
    let mut protos: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "proto")).collect();
    protos.sort();
    protos
}

/// What is not in `package` is taken from where it was generated already.
fn generate(package: &str, protos: &[PathBuf], into: &Path) {
    let mut compiler = protox::Compiler::new([here("proto")]).expect("proto/ exists");
    compiler.include_source_info(true).include_imports(true);
    if let Err(error) = compiler.open_files(protos) {
        panic!("the protos do not compile:\n{error:?}");
    }
    let mut builder = tonic_prost_build::configure();
    if package != PUBLIC {
        builder = builder.extern_path(format!(".{PUBLIC}"), "crate::wire::pb");
    }
    builder
        .bytes(".")
        .btree_map(".")
        .server_mod_attribute(".", SERVERS_ARE_FOR)
        .emit_rerun_if_changed(false)
        .out_dir(into)
        .compile_fds(compiler.file_descriptor_set())
        .expect("valid protos make valid Rust");
}

fn check(package_dir: &str, package: &str) {
    let protos = protos(package_dir);
    if protos.is_empty() {
        return;
    }
    let made = tempfile::tempdir().expect("a temporary directory");
    generate(package, &protos, made.path());
    let file = format!("{package}.rs");
    let made = fs::read_to_string(made.path().join(&file)).expect("the package was generated");
    let checked_in = here("src/wire/generated").join(&file);
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&checked_in, &made).expect("the checkout is writable");
    }
    let checked_in = fs::read_to_string(&checked_in).unwrap_or_default();
    assert!(checked_in == made, "{file} is stale: run UPDATE_EXPECT=1 cargo test --lib wire::generate");
}

#[test]
fn the_generated_public_protocol_is_fresh() {
    check("raftsman/v1", PUBLIC);
}

#[test]
fn the_generated_peer_protocol_is_fresh() {
    check("raftsman/internal/v1", "raftsman.internal.v1");
}
