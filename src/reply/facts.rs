//! What the access log says of a request beside its reply (`catalogs-and-server.md` 18). Sends nothing, logs nothing.

use std::time::Duration;

use crate::cache::CacheUse;
use crate::error::Error;

/// Facts of one request; an empty text means that nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `req=` in upper case (`%{ReqType}r`).
    pub req_type: String,
    /// The main catalog, empty for the default catalog (`%{RootId}r`).
    pub root_id: String,
    /// 0 done, 1 image not found, 2 usage or content, 3 server, 4 overload (`%{ProcessingStatus}r`).
    pub processing: u8,
    /// What went wrong, in full: for the log only (`%{Exception}r`).
    pub exception: String,
    /// Path of the context that answered (`%{Context}r`).
    pub context: String,
    /// Object and query after rules, obfuscation and lock (`%{TransformedUrl}r`).
    pub transformed_url: String,
    /// Whether the object of the path is a file without a record (`%{PathBasedAccess}r`).
    pub is_by_path: bool,
    /// Time of rules, parsing and catalog look-up (`%{ParseTime}r`).
    pub parse_time: Duration,
    /// Time of everything that makes the reply after that (`%{FetchTime}r`).
    pub fetch_time: Duration,
    /// How the reply cache took part (`%{CacheUse}r`).
    pub cache_use: CacheUse,
    /// File of the cache entry (`%{CacheKey}r`).
    pub cache_key: String,
}

impl Facts {
    /// Those of a request that failed so.
    pub fn of_error(error: &Error) -> Facts {
        Facts {
            processing: error.kind().log_class(),
            exception: error.to_string(),
            ..Facts::default()
        }
    }
}
