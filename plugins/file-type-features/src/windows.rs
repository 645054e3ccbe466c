//! The windows of a file: its first and its last bytes without surrounding white space, as numbers.
//!
//! The sizes come from the model's configuration, a JSON document with additional keys. Only one
//! block from each end of a file is read, whatever its size. Bounds: a block has at most 1 MiB, a
//! window is shorter.

use serde::Deserialize;

/// Maximum bytes of a block in a configuration.
const BLOCK_MAX: usize = 1 << 20;

/// The window keys of the model's configuration, with the model's names.
#[derive(Debug, Deserialize)]
struct Config {
    beg_size: usize,
    mid_size: usize,
    end_size: usize,
    use_inputs_at_offsets: bool,
    min_file_size_for_dl: usize,
    padding_token: i32,
    block_size: usize,
}

/// How a file is converted to a row of numbers.
#[derive(Debug)]
pub(crate) struct Windows {
    /// Length of the first window; at least 1.
    first: usize,
    /// Length of the last window.
    last: usize,
    /// Bytes that are read on each side.
    block: usize,
    /// Minimum bytes for the model; from 1 to `first`.
    least: usize,
    /// The padding value.
    padding: i32,
}

impl Windows {
    /// Reads the sizes from the model's configuration.
    pub(crate) fn read(config: &[u8]) -> Result<Self, String> {
        let config: Config = serde_json::from_slice(config).map_err(|error| {
            format!("file `config`: {error}; the model's own configuration in JSON is needed")
        })?;
        let Config {
            beg_size: first,
            end_size: last,
            block_size: block,
            min_file_size_for_dl: least,
            ..
        } = config;
        let refuse = |what: String| Err(format!("file `config`: {what}"));
        if config.mid_size != 0 {
            return refuse(format!(
                "mid_size: is {}; only models without a window in the middle fit",
                config.mid_size
            ));
        }
        if config.use_inputs_at_offsets {
            return refuse(
                "use_inputs_at_offsets: is true; only models without fixed offsets fit".to_owned(),
            );
        }
        if block > BLOCK_MAX {
            return refuse(format!(
                "block_size: is {block}; at most {BLOCK_MAX} is taken"
            ));
        }
        if first >= block || last >= block {
            return refuse(format!(
                "beg_size and end_size: are {first} and {last}; less than block_size {block} is needed"
            ));
        }
        if least == 0 || least > first {
            return refuse(format!(
                "min_file_size_for_dl: is {least}; 1 to beg_size {first} is needed"
            ));
        }
        Ok(Self {
            first,
            last,
            block,
            least,
            padding: config.padding_token,
        })
    }

    /// The number of values per file.
    pub(crate) const fn width(&self) -> usize {
        self.first + self.last
    }

    /// The number of bytes that are read on each side.
    pub(crate) const fn block(&self) -> usize {
        self.block
    }

    /// Writes a file's numbers: the first window is padded after its bytes, the last one before
    /// them.
    pub(crate) fn fill(&self, file: &[u8], row: &mut [i32]) {
        row.fill(self.padding);
        let (first, last) = row.split_at_mut(self.first);
        for (number, byte) in first.iter_mut().zip(self.start(file)) {
            *number = i32::from(*byte);
        }
        let tail = &file[file.len().saturating_sub(self.block)..];
        for (number, byte) in last.iter_mut().rev().zip(trim_end(tail).iter().rev()) {
            *number = i32::from(*byte);
        }
    }

    /// The type of a file with too little content for the model: empty, text or unknown. An empty
    /// string if the model must decide.
    pub(crate) fn known(&self, file: &[u8]) -> &'static str {
        if file.is_empty() {
            return "empty";
        }
        if self.start(file).len() >= self.least {
            return "";
        }
        // A character that the block's end truncates is invalid, as in the reference.
        if str::from_utf8(self.head(file)).is_ok() {
            "txt"
        } else {
            "unknown"
        }
    }

    fn head<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[..file.len().min(self.block)]
    }

    /// The first block without leading white space.
    fn start<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        let head = self.head(file);
        &head[head.iter().take_while(|byte| is_space(**byte)).count()..]
    }
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len()
        - bytes
            .iter()
            .rev()
            .take_while(|byte| is_space(**byte))
            .count()]
}

/// The reference's white space, which includes the vertical tab, unlike `u8::is_ascii_whitespace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
