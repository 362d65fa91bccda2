//! Mails: one for all that there is to say.

use anyhow::Context as _;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{MailOptions, MailSecurity};

/// Sends one mail to everybody.
///
/// # Errors
/// If the server did not surely take it.
pub(super) async fn send(options: &MailOptions, subject: String, text: String) -> anyhow::Result<()> {
    let mut message = Message::builder().from(mailbox(&options.from)?).subject(subject);
    for to in &options.to {
        message = message.to(mailbox(to)?);
    }
    let message = message.body(text).context("the mail cannot be written")?;
    transport(options)?.send(message).await?;
    Ok(())
}

fn mailbox(address: &str) -> anyhow::Result<Mailbox> {
    address.parse().with_context(|| format!("{address:?} is no mail address"))
}

/// Whether a mail can be sent from or to it.
pub(in crate::jobtracker) fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

fn transport(options: &MailOptions) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let tls = || TlsParameters::new(options.host.clone()).context("TLS cannot be used");
    let security = match options.security {
        MailSecurity::StartTls => Tls::Required(tls()?),
        MailSecurity::Tls => Tls::Wrapper(tls()?),
        MailSecurity::Plain => Tls::None,
    };
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
        .port(options.port)
        .tls(security)
        .timeout(Some(options.timeout));
    if options.user.is_empty() {
        return Ok(transport.build());
    }
    let file = &options.password_file;
    let password = std::fs::read_to_string(file)
        .with_context(|| format!("the password in {} cannot be read", file.display()))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(transport.credentials(Credentials::new(options.user.clone(), password)).build())
}
