//! What the access log is told of a request beside its reply. Answers nothing, logs nothing.

use crate::reply::{Facts, Reply};
use crate::request::{Context, ReqType};

use super::{Call, Service};

/// A request type as the access log writes it.
pub(super) fn type_name(kind: ReqType) -> String {
    format!("{kind:?}").to_ascii_uppercase()
}

impl Service {
    /// What is known of a request before its catalog is looked up.
    pub(super) fn first_facts(&self, context: Context, asked: ReqType) -> Facts {
        let prefix = match context {
            Context::Image => Some(&self.prefixes.image),
            Context::Content => Some(&self.prefixes.content),
            Context::Render => self.prefixes.render.as_ref(),
        };
        Facts {
            context: prefix.cloned().unwrap_or_default(),
            req_type: type_name(asked),
            ..Facts::default()
        }
    }
}

impl Call<'_> {
    /// Adds what rules, catalog and object have come to.
    pub(super) fn add_facts(&self, facts: &mut Facts, kind: ReqType) {
        facts.req_type = type_name(kind);
        facts.root_id.clone_from(&self.main.catalog.attributes.root_id);
        let (object, query) = (&self.located.object_encoded, &self.query);
        let separator = if query.is_empty() { "" } else { "?" };
        facts.transformed_url = format!("{}/{object}{separator}{query}", facts.context);
        let object = self.path_object().ok().flatten();
        facts.is_by_path = object.is_some_and(|object| object.record.is_none());
    }
}

/// What was found out on the way joins what the reply itself knows: its failure, and how the cache took part.
pub(super) fn join(reply: &mut Reply, found: Facts) {
    let own = std::mem::take(&mut *reply.facts);
    *reply.facts = Facts {
        processing: own.processing,
        exception: own.exception,
        cache_use: own.cache_use,
        cache_key: own.cache_key,
        ..found
    };
}
