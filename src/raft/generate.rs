//! Makes the generated Rust of the peer protocol, without protoc, and says when what is checked in is stale.
//!
//! `UPDATE_EXPECT=1 cargo test --lib --features server raft::generate` rewrites it.

use std::path::{Path, PathBuf};
use std::{env, fs};

const PACKAGE: &str = "raftsman.internal.v1";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn generate(into: &Path) -> String {
    let mut compiler = protox::Compiler::new([here("proto")]).expect("proto/ exists");
    compiler.include_source_info(true).include_imports(true);
    if let Err(error) = compiler.open_files([here("proto/raftsman/internal/v1/peer.proto")]) {
        panic!("the protos do not compile:\n{error:?}");
    }
    tonic_prost_build::configure()
        .extern_path(".raftsman.v1", "crate::wire::pb")
        .bytes(".")
        .btree_map(".")
        .server_mod_attribute(".", r#"#[cfg(any(test, feature = "server"))]"#)
        .emit_rerun_if_changed(false)
        .out_dir(into)
        .compile_fds(compiler.file_descriptor_set())
        .expect("valid protos make valid Rust");
    fs::read_to_string(into.join(format!("{PACKAGE}.rs"))).expect("the package was generated")
}

#[test]
fn the_generated_peer_protocol_is_fresh() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = generate(directory.path());
    let checked_in = here("src/wire/generated").join(format!("{PACKAGE}.rs"));
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&checked_in, &made).expect("the checkout is writable");
    }
    let checked_in = fs::read_to_string(&checked_in).unwrap_or_default();
    assert!(
        checked_in == made,
        "stale: run UPDATE_EXPECT=1 cargo test --lib --features server raft::generate"
    );
}
