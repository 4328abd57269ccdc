// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Text from the wire in log lines: control characters escaped, cut to a length, so that no peer writes lines of its own.

use std::fmt;

/// Characters shown of a text.
const SHOWN: usize = 80;

/// Displays text that somebody else wrote.
pub struct Foreign<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN).flat_map(char::escape_debug) {
            fmt::Write::write_char(f, c)?;
        }
        if self.0.chars().nth(SHOWN).is_some() { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_name_stays_one_line() {
        assert_eq!(Foreign("a\nERROR x\u{202e}").to_string(), "a\\nERROR x\\u{202e}");
        assert_eq!(Foreign(&"x".repeat(5000)).to_string().len(), SHOWN + 3);
    }
}
