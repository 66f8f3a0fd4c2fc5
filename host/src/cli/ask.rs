//! Asking whoever sits at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Context;

use crate::stderr;

/// Whether somebody is there to be asked. Standard output is for the answer, so questions
/// are asked on standard error.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows a text and asks the question behind it. Anything but a yes is a no.
///
/// # Errors
/// When the terminal cannot be used.
pub(super) fn ask(text: &str, question: &str) -> anyhow::Result<bool> {
    stderr::flush(stderr::PATIENCE);
    let mut to = io::stderr().lock();
    write!(to, "{text}{question} [y/N] ")
        .and_then(|()| to.flush())
        .context("cannot ask")?;
    let mut said = String::new();
    io::stdin()
        .lock()
        .read_line(&mut said)
        .context("cannot read the reply")?;
    let said = said.trim();
    Ok(said.eq_ignore_ascii_case("y") || said.eq_ignore_ascii_case("yes"))
}
