//! A key that somebody else keeps: a command signs with it (`docs/keys.md`, "A key that is kept elsewhere").

use std::io::Write as _;
use std::process::{Command, Stdio};

use wargate_core::key::{PublicKey, Signature, Signer};

/// The variable that tells the command by which key to sign.
const PUBLIC_KEY_VARIABLE: &str = "WARGATE_PUBLIC_KEY";

/// Runs a shell's command line for each signature: the bytes to sign on its standard input, the signature's text on
/// its standard output.
#[derive(Debug)]
pub(crate) struct SigningCommand {
    line: String,
    public: PublicKey,
}

impl SigningCommand {
    /// A command that signs by the key with this public half.
    pub(crate) fn new(line: &str, public: PublicKey) -> Self {
        Self { line: line.to_owned(), public }
    }

    /// What the command prints; what it says goes to the person who waits for it.
    fn run(&self, message: &[u8]) -> std::io::Result<std::process::Output> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &self.line]).env(PUBLIC_KEY_VARIABLE, self.public.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(message));
        let output = child.wait_with_output()?;
        match written {
            // It may know what to sign without reading it all; its signature shows.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(output),
        }
    }
}

impl Signer for SigningCommand {
    type Error = String;

    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, String> {
        let failed = |cause: String| format!("the signing command `{}` {cause}", self.line);
        let output = self.run(message).map_err(|error| failed(format!("couldn't be run: {error}")))?;
        if !output.status.success() {
            return Err(failed(format!("failed: {}", output.status)));
        }
        let text = String::from_utf8(output.stdout).unwrap_or_default();
        let signature = text.trim().parse::<Signature>();
        let signature = signature.map_err(|error| failed(format!("gave no signature: {error}")))?;
        self.public
            .verify(message, &signature)
            .map_err(|_| failed(format!("signed by another key than {}, or other bytes", self.public)))?;
        Ok(signature)
    }
}
