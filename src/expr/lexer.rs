//! Characters to tokens.

use super::span::{ParseError, Span};

/// Longest name.
const MAX_NAME: usize = 100;

/// A token; identifiers and numbers are read from the source by their span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Name,
    Plus,
    Minus,
    Star,
    Slash,
    Caret,
    Open,
    Close,
    Comma,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    EqualEqual,
    NotEqual,
    And,
    Or,
    Not,
    Assign,
    End,
}

/// Reads tokens one at a time.
#[derive(Debug)]
pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub fn new(source: &'s str) -> Self {
        Lexer { source, at: 0 }
    }

    /// The next token and where it stands.
    pub fn next(&mut self) -> Result<(Token, Span), ParseError> {
        let bytes = self.source.as_bytes();
        while bytes.get(self.at).is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        let start = self.at;
        let Some(&first) = bytes.get(start) else {
            return Ok((Token::End, Span::new(start, start)));
        };
        let second = bytes.get(start + 1).copied();
        if first.is_ascii_digit() || (first == b'.' && second.is_some_and(|b| b.is_ascii_digit())) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == b'_' {
            while bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                self.at += 1;
            }
            let span = Span::new(start, self.at);
            if self.at - start > MAX_NAME {
                return Err(ParseError::new(span, format!("a name is longer than {MAX_NAME} letters"), "shorten it"));
            }
            return Ok((Token::Name, span));
        }
        let (token, length) = match (first, second) {
            (b'<', Some(b'=')) => (Token::LessEqual, 2),
            (b'>', Some(b'=')) => (Token::GreaterEqual, 2),
            (b'=', Some(b'=')) => (Token::EqualEqual, 2),
            (b'!', Some(b'=')) => (Token::NotEqual, 2),
            (b'&', Some(b'&')) => (Token::And, 2),
            (b'|', Some(b'|')) => (Token::Or, 2),
            (b'*', Some(b'*')) => return Err(self.error(2, "`**` is not an operator here", "write `^` for powers")),
            (b'+', _) => (Token::Plus, 1),
            (b'-', _) => (Token::Minus, 1),
            (b'*', _) => (Token::Star, 1),
            (b'/', _) => (Token::Slash, 1),
            (b'^', _) => (Token::Caret, 1),
            (b'(', _) => (Token::Open, 1),
            (b')', _) => (Token::Close, 1),
            (b',', _) => (Token::Comma, 1),
            (b'<', _) => (Token::Less, 1),
            (b'>', _) => (Token::Greater, 1),
            (b'=', _) => (Token::Assign, 1),
            (b'!', _) => (Token::Not, 1),
            _ => {
                let c = self.source[start..].chars().next().unwrap_or('?');
                let help = match c {
                    'κ' => "write `kappa`",
                    'ε' | 'ϵ' => "write `eps`",
                    'α' => "write `alpha`",
                    'π' => "write `pi`",
                    '·' | '×' => "write `*`",
                    '−' | '–' => "write `-`",
                    '≤' => "write `<=`",
                    '≥' => "write `>=`",
                    '[' | ']' | '{' | '}' => "use round brackets",
                    _ => "formulas are made of numbers, names, + - * / ^ ( ) , and comparisons",
                };
                return Err(self.error(
                    c.len_utf8(),
                    &format!("`{}` is not part of the language", c.escape_debug()),
                    help,
                ));
            }
        };
        self.at += length;
        Ok((token, Span::new(start, self.at)))
    }

    fn error(&self, length: usize, message: &str, help: &str) -> ParseError {
        ParseError::new(Span::new(self.at, self.at + length), message, help)
    }

    fn digits(&mut self) {
        while self.source.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<(Token, Span), ParseError> {
        let bytes = self.source.as_bytes();
        let start = self.at;
        self.digits();
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits();
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            let mark = self.at;
            self.at += 1;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let exponent = self.at;
            self.digits();
            if exponent == self.at {
                // Not an exponent: an error below, unless the name goes on.
                self.at = mark;
            }
        }
        let span = Span::new(start, self.at);
        let text = &self.source[start..self.at];
        if bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'.') {
            let rest: String = self.source[self.at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '.')
                .take(30)
                .collect();
            let span = Span::new(start, self.at + rest.len());
            let help = if rest.starts_with('.') || rest.starts_with('_') {
                "numbers look like 12, 0.5 or 1e-9".to_string()
            } else {
                format!("write the product out: `{text} * {rest}`")
            };
            return Err(ParseError::new(span, format!("`{text}{rest}` is not a number"), help));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok((Token::Number(value), span)),
            _ => Err(ParseError::new(span, format!("`{text}` is beyond the range of f64"), "the largest is 1.797e308")),
        }
    }
}
