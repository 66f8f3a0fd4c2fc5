//! Text from files, processes and policies, made fit to be shown on a terminal.
//!
//! Whoever can name a session could otherwise clear the screen, forge a line, or write text
//! that reads in another order than it stands (Unicode Technical Report 36, section 2.5).
//! Everything that this program shows to a person goes through here, once.

/// How many combining marks in a row are shown as they are. Vietnamese takes two and Hebrew
/// with accents four; a stack of hundreds covers the lines above and below it.
const MARKS: usize = 4;

/// The text as one line: what a terminal would obey instead of show, and what changes how
/// the text around it is shown, stands as `\u{…}`.
///
/// That is control characters, characters without a picture of their own, bidirectional
/// controls among them, and combining marks that have nothing to combine with or are too
/// many.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut reader = Reader::default();
    for character in text.chars() {
        if reader.is_fit(character) {
            line.push(character);
        } else {
            line.extend(character.escape_unicode());
        }
    }
    line
}

/// The same of the first `limit` characters of the text, with `…` for the rest.
pub fn bounded_line(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

/// The same, with the length of the whole text where it is cut: a reader is to know that there
/// was more, and how much.
pub fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}… (cut, of {} bytes)", line(&text[..end]), text.len()),
        None => line(text),
    }
}

/// The text as it is, cut like an [`excerpt`] where it is longer.
pub fn cut(mut text: String, limit: usize) -> String {
    let whole = text.len();
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
        text.push_str(&format!("… (cut, of {whole} bytes)"));
    }
    text
}

/// A JSON text for a terminal: the same value, with escapes for what is escaped in a
/// [`line()`]. Between values only line feeds and spaces are left.
///
/// JSON itself wants nothing but C0 control characters escaped (RFC 8259, section 7). A
/// program that reads it needs no more, and gets the text as it was written; DEL, the C1
/// control characters and bidirectional controls act on a terminal alone.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut reader = Reader::default();
    for character in text.chars() {
        match character {
            '\n' => shown.push(character),
            // Raw, these stand only between values.
            '\t' | '\r' => shown.push(' '),
            _ if reader.is_fit(character) => shown.push(character),
            // Only a string can hold any other character that is not fit.
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    shown
}

/// Goes through a text character by character.
#[derive(Default)]
struct Reader {
    /// Whether there is a character that a mark could combine with.
    base: bool,
    /// How many marks it has.
    marks: usize,
}

impl Reader {
    /// Whether the next character of the text is fit to be shown as it is.
    fn is_fit(&mut self, character: char) -> bool {
        if matches!(character, ' '..='~') {
            // Marks would combine with a space, too: with the gap between two columns.
            self.base = character != ' ';
            self.marks = 0;
            return true;
        }
        match Kind::of(character) {
            Kind::Picture => {
                (self.base, self.marks) = (true, 0);
                true
            }
            Kind::Mark => {
                self.marks += 1;
                self.base && self.marks <= MARKS
            }
            // Shown by an escape, which ends in a bracket or a digit.
            Kind::Unfit => {
                (self.base, self.marks) = (false, 0);
                false
            }
        }
    }
}

/// What a character does on a terminal.
enum Kind {
    /// It has a picture of its own.
    Picture,
    /// It changes the picture before it.
    Mark,
    /// It has none, or acts.
    Unfit,
}

impl Kind {
    fn of(character: char) -> Self {
        if character.is_control() || is_ignorable(character) {
            return Self::Unfit;
        }
        // The standard library escapes for debugging what is a format character, a
        // separator other than the space, for private use, or not assigned; and what
        // extends a grapheme, but only where a text begins.
        let is_escaped =
            |text: &str, at: usize| text.escape_debug().skip(at).take(2).eq(['\\', 'u']);
        let text = format!("a{character}");
        if is_escaped(&text, 1) {
            Self::Unfit
        } else if is_escaped(&text[1..], 0) {
            Self::Mark
        } else {
            Self::Picture
        }
    }
}

/// Characters that are shown as nothing at all: `Default_Ignorable_Code_Point` of the Unicode
/// Character Database (DerivedCoreProperties.txt), without those that the standard library
/// escapes. The blank Braille pattern is as good as one.
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{034F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests;
