//! A webhook: one POST for each piece of news, signed if there is a secret. Any answer but 2xx is a failure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hmac::{Hmac, Mac as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;

use super::WebhookOptions;
use super::notice::Body;

/// Holds `sha256=` and the HMAC of the body in hexadecimal.
const SIGNATURE: &str = "x-raftsman-signature";

/// Posts one body.
///
/// # Errors
/// If it was surely or possibly not taken.
pub(super) async fn post(options: &WebhookOptions, within: Duration, body: &Body) -> anyhow::Result<()> {
    let url: Url = options.url.parse().context("the URL cannot be read")?;
    let bytes = serde_json::to_vec(body).context("the body cannot be written")?;
    let client = client(url.scheme() == "https", within)?;
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json");
    if let Some(file) = &options.secret_file {
        request = request.header(SIGNATURE, signature(&secret(file)?, &bytes));
    }
    // The URL may hold a token of its own, so it is not told.
    let answer = request.body(bytes).send().await.map_err(|error| anyhow!(error.without_url()))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(anyhow!("it answered {status}")) }
}

/// A client for one call: calls are rare, and a connection that is kept would be broken when it is needed.
fn client(encrypted: bool, within: Duration) -> anyhow::Result<Client> {
    let mut roots = RootCertStore::empty();
    if encrypted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        anyhow::ensure!(!roots.is_empty(), "this system has no root certificates to trust");
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).timeout(within).no_proxy();
    Ok(client.redirect(reqwest::redirect::Policy::none()).build()?)
}

fn secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    let secret =
        std::fs::read(file).with_context(|| format!("the secret in {} cannot be read", file.display()))?;
    let secret = secret.trim_ascii();
    anyhow::ensure!(!secret.is_empty(), "the secret in {} is empty", file.display());
    Ok(secret.to_vec())
}

fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn the_signature_is_the_hmac_of_the_body() {
        assert_eq!(
            signature(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_secret_is_what_the_file_holds_without_the_end_of_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let problem = secret(&file).unwrap_err().to_string();
        assert!(problem.contains("cannot be read"), "{problem}");
        std::fs::write(&file, "s3cret\n").unwrap();
        assert_eq!(secret(&file).unwrap(), b"s3cret");
        std::fs::write(&file, "\n").unwrap();
        assert!(secret(&file).is_err());
    }
}
