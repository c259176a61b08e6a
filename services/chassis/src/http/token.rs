//! Proof of who calls: a token that two services share, in `Authorization: Bearer TOKEN` (RFC 6750).
//!
//! Tokens lie in files and are read for each call, for they are rotated while services run. Whoever checks accepts
//! several, so that the two need not see a new one at the same moment.

use std::{fs, io, path::PathBuf, str::FromStr};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
};
use subtle::ConstantTimeEq as _;
use tracing::error;

use super::Problem;

/// The largest file that can be a token, in bytes.
const LONGEST: u64 = 1024;

/// The file with the token to show.
#[derive(Debug, Clone)]
pub struct TokenFile(PathBuf);

impl FromStr for TokenFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let file = Self(path.into());
        file.read().map(|_| file).map_err(|error| error.to_string())
    }
}

impl TokenFile {
    /// What goes into the header `Authorization`.
    ///
    /// # Errors
    /// When the file can't be read or holds no token.
    pub fn authorization(&self) -> io::Result<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.read()?)).map_err(io::Error::other)?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn read(&self) -> io::Result<String> {
        read(&self.0)
    }
}

/// The directory with the tokens that are accepted, each in a file of its own.
#[derive(Debug, Clone)]
pub struct Tokens(PathBuf);

impl FromStr for Tokens {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let tokens = Self(path.into());
        match tokens.read() {
            Ok(found) if found.is_empty() => Err(format!("there is no file with a token in {path:?}")),
            Ok(_) => Ok(tokens),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Tokens {
    fn read(&self) -> io::Result<Vec<String>> {
        let told = |error| io::Error::other(format!("reading {:?}: {error}", self.0));
        let mut tokens = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(told)? {
            let path = entry.map_err(told)?.path();
            // A mounted Secret has its real files in directories whose names begin with dots.
            if path.is_file() {
                tokens.push(read(&path)?);
            }
        }
        Ok(tokens)
    }

    /// Whether it is one of the tokens. Takes as long for a wrong one as for a right one.
    fn accept(&self, shown: &[u8]) -> io::Result<bool> {
        let known = self.read()?;
        Ok(known.iter().fold(0, |found, token| found | token.as_bytes().ct_eq(shown).unwrap_u8()) == 1)
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    let told = |error| io::Error::other(format!("reading {path:?}: {error}"));
    if fs::metadata(path).map_err(told)?.len() > LONGEST {
        return Err(io::Error::other(format!("{path:?} is too large for a token")));
    }
    let token = fs::read_to_string(path).map_err(told)?.trim().to_owned();
    if token.is_empty() {
        Err(io::Error::other(format!("{path:?} is empty: it has to hold a token")))
    } else {
        Ok(token)
    }
}

/// A caller that has shown one of the [`Tokens`]. Anybody else is answered 401.
#[derive(Debug, Clone, Copy)]
pub struct Authorized;

impl<S> FromRequestParts<S> for Authorized
where
    Tokens: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let accepted = shown.map(|shown| Tokens::from_ref(state).accept(shown)).transpose().map_err(|error| {
            error!(%error, "the tokens can't be read");
            Problem::unavailable("who calls can't be told at the moment")
        })?;
        match accepted {
            Some(true) => Ok(Self),
            Some(false) => Err(Problem::unauthorized("this token isn't one of those that are accepted")),
            None => Err(Problem::unauthorized("this is for the platform's own services, which show a token")),
        }
    }
}

/// The token in the header's value.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_tokens_is_accepted_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let tokens = || path.to_str().unwrap().parse::<Tokens>();
        assert!(tokens().unwrap_err().contains("no file with a token"));
        fs::write(path.join("current"), "one\n").unwrap();
        fs::write(path.join("previous"), "two").unwrap();
        fs::create_dir(path.join("..data")).unwrap();
        let tokens = tokens().unwrap();
        for (shown, accepted) in [("one", true), ("two", true), ("", false), ("on", false), ("one\n", false)] {
            assert_eq!(tokens.accept(shown.as_bytes()).unwrap(), accepted, "{shown:?}");
        }
        fs::remove_file(path.join("previous")).unwrap();
        assert!(!tokens.accept(b"two").unwrap(), "it is read anew");
    }

    #[test]
    fn a_token_file_has_to_hold_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let file = || path.to_str().unwrap().parse::<TokenFile>();
        assert!(file().unwrap_err().contains("No such file"));
        fs::write(&path, " \n").unwrap();
        assert!(file().unwrap_err().contains("is empty"));
        fs::write(&path, "x".repeat(2000)).unwrap();
        assert!(file().unwrap_err().contains("too large"));
        fs::write(&path, "one\n").unwrap();
        let shown = file().unwrap().authorization().unwrap();
        assert_eq!((shown.to_str().unwrap(), shown.is_sensitive()), ("Bearer one", true));
    }

    #[test]
    fn the_scheme_is_bearer() {
        for (value, token) in [("Bearer a", Some("a")), ("bearer  a ", Some("a")), ("Basic a", None), ("Bearer", None)]
        {
            assert_eq!(bearer(value.as_bytes()), token.map(str::as_bytes), "{value}");
        }
    }
}
