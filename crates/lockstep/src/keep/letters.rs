//! Links: bytes as letters, and back, whatever a chat has done to them in between.
//!
//! A link's letters stand in an address as they are, and it ends in one of [`END`], which is a letter of words: programs that find
//! addresses in text take a `-` or a `_` at the end for punctuation and leave it out.

/// The letters of a link: those that stand in an address as they are.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What a link ends in.
const END: char = 'E';

/// Bytes as letters, six bits each, and the end.
pub(crate) fn to_letters(bytes: &[u8]) -> String {
    let mut letters = String::with_capacity(bytes.len().div_ceil(3) * 4 + 1);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            letters.push(char::from(LETTERS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    letters.push(END);
    letters
}

/// The bytes that a link may stand for, the likeliest first; which of them it is, their checksum tells. Breaks and spaces within it, and
/// whatever was put around it, are left out; `-` and `_` may have been written as `%2D` and `%5F`.
pub(crate) fn from_letters(link: &str) -> Vec<Vec<u8>> {
    let plain = without_percents(link);
    let is_letter = |letter: char| letter.is_ascii() && LETTERS.contains(&(letter as u8));
    let is_space = |letter: char| letter.is_whitespace() || "\u{200b}\u{200c}\u{200d}\u{ad}\u{feff}".contains(letter);
    // As far as it goes without anything between; with breaks between; with marks of a quotation, too.
    let unbroken: String = plain.chars().take_while(|letter| is_letter(*letter)).collect();
    let joined: String = (plain.chars().filter(|letter| !is_space(*letter)))
        .take_while(|letter| is_letter(*letter))
        .collect();
    let all: String = plain.chars().filter(|letter| is_letter(*letter)).collect();
    let mut found: Vec<Vec<u8>> = Vec::new();
    for letters in [joined, unbroken, all] {
        // Behind its end there may be the marks of a chat that writes *bold* or _slanting_; in a link of before there was no end.
        let trimmed = letters.trim_end_matches(['-', '_']);
        for whole in [trimmed.strip_suffix(END), Some(letters.as_str())]
            .into_iter()
            .flatten()
        {
            if let Some(bytes) = bytes_of(whole)
                && !found.contains(&bytes)
            {
                found.push(bytes);
            }
        }
    }
    found
}

/// Each `%` and two digits as the letter that they stand for; once more where that was done twice.
fn without_percents(link: &str) -> String {
    let mut plain = link.to_owned();
    for _ in 0..2 {
        if !plain.contains('%') {
            break;
        }
        let mut bytes = Vec::with_capacity(plain.len());
        let mut rest = plain.as_bytes();
        while let Some((&byte, behind)) = rest.split_first() {
            let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(meant) if byte == b'%' => {
                    bytes.push(meant);
                    rest = &behind[2..];
                }
                _ => {
                    bytes.push(byte);
                    rest = behind;
                }
            }
        }
        plain = String::from_utf8_lossy(&bytes).into_owned();
    }
    plain
}

fn bytes_of(letters: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    for four in letters.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for place in 0..4 {
            let six = match four.get(place) {
                Some(letter) => LETTERS.iter().position(|known| known == letter)? as u32,
                None => 0,
            };
            word = word << 6 | six;
        }
        bytes.extend_from_slice(&word.to_be_bytes()[1..four.len().max(1)]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(length: u8) -> Vec<u8> {
        (0..length).map(|byte| byte.wrapping_mul(37) ^ 0xf7).collect()
    }

    #[test]
    fn letters_are_bytes() {
        for length in 0..70 {
            let letters = to_letters(&sample(length));
            assert_eq!(from_letters(&letters).first(), Some(&sample(length)));
            assert!(letters.bytes().all(|letter| LETTERS.contains(&letter)));
            assert!(
                letters.ends_with(|letter: char| letter.is_ascii_alphanumeric()),
                "{letters}"
            );
        }
    }

    /// Everything that was seen to be done to addresses by chats, mails and people who copy them.
    #[test]
    fn a_link_survives_what_chats_do_to_it() {
        for length in 40..70 {
            let bytes = sample(length);
            let link = to_letters(&bytes);
            let (half, rest) = link.split_at(link.len() / 2);
            for done in [
                format!("{link}."),
                format!("{link},"),
                format!("{link})."),
                format!("{link}>"),
                format!("{link}]"),
                format!("{link}\""),
                format!("{link}”"),
                format!("{link}'"),
                format!("{link}*"),
                format!("{link}_"),
                format!("{link}%22"),
                format!("{link}%3E"),
                format!("{link}&from=chat"),
                format!("{link} and what do you say"),
                format!("{half}\n{rest}"),
                format!("{half}\r\n  {rest}\r\n"),
                format!("{half}%20{rest}"),
                format!("{half}%0D%0A{rest}"),
                format!("{half}\u{200b}{rest}"),
                format!("{half}\n> {rest}"),
                format!("{half}=\r\n{rest}"),
                link.replace('-', "%2D").replace('_', "%5F"),
                link.replace('-', "%2d").replace('_', "%5f"),
                link.replace('-', "%252D").replace('_', "%255F"),
            ] {
                assert!(from_letters(&done).contains(&bytes), "{done:?}");
            }
        }
    }

    #[test]
    fn a_link_of_before_there_was_an_end_is_read() {
        for length in 40..70 {
            let link = to_letters(&sample(length));
            let before = link.strip_suffix(END).unwrap();
            assert!(from_letters(before).contains(&sample(length)), "{before}");
        }
    }
}
