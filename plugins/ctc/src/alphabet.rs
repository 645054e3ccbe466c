//! The symbol of each class.
//!
//! The file has one symbol per line, in the order of the classes, without the blank. Bound:
//! [`SYMBOLS_MAX`] symbols.

use crate::SYMBOLS_MAX;

/// A symbol for each class; that of the blank is empty.
#[derive(Debug)]
pub(crate) struct Alphabet {
    symbols: Vec<String>,
    blank: usize,
}

impl Alphabet {
    /// The symbols of a file and the additional ones, without the blank.
    pub(crate) fn read(file: &[u8], append: Vec<String>) -> Result<Self, String> {
        let text =
            str::from_utf8(file).map_err(|error| format!("`alphabet`: is no UTF-8: {error}"))?;
        // Not `lines`, because other line terminators are symbols.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned());
        let symbols: Vec<String> = lines.chain(append).collect();
        if let Some(line) = symbols.iter().position(String::is_empty) {
            return Err(format!(
                "`alphabet`: line {} is empty; each has a symbol",
                line + 1
            ));
        }
        if SYMBOLS_MAX < symbols.len() {
            return Err(format!(
                "`alphabet`: {} symbols; {SYMBOLS_MAX} are allowed",
                symbols.len()
            ));
        }
        Ok(Self { symbols, blank: 0 })
    }

    /// Inserts an empty symbol for the blank.
    pub(crate) fn with_blank(mut self, blank: usize) -> Result<Self, String> {
        let symbols = self.symbols.len();
        if symbols < blank {
            return Err(format!(
                "settings.blank: is {blank}; 0 to {symbols} is needed, as there are {symbols} symbols"
            ));
        }
        self.symbols.insert(blank, String::new());
        Ok(Self { blank, ..self })
    }

    pub(crate) fn classes(&self) -> usize {
        self.symbols.len()
    }

    pub(crate) const fn blank(&self) -> usize {
        self.blank
    }

    pub(crate) fn symbol(&self, class: usize) -> &str {
        self.symbols.get(class).map_or("", String::as_str)
    }
}
