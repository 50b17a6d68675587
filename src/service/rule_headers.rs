//! Headers of rules on a reply (`U-rule-header`): variables in their place. Decides no rule.

use crate::catalog::{HeaderAction, RuleHeader};
use crate::reply::Reply;
use crate::request::decode_value;

/// Adds headers of rules, with variables in their place.
pub(super) fn add_headers(
    reply: &mut Reply,
    headers: &[RuleHeader],
    variables: &[(String, String)],
) {
    for header in headers {
        let name = with_variables(&header.name, variables);
        let value = with_variables(&header.value, variables);
        reply.add_rule_header(&name, &value, header.action == HeaderAction::Add);
    }
}

/// The text with `$name$` replaced by the variables it knows; unknown ones stay (`U-rule-header`).
fn with_variables(text: &str, variables: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('$') {
        out.push_str(plain);
        let known = behind.split_once('$').and_then(|(name, after)| {
            let own = variables.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
            Some((decode_value(&own.1).ok()?, after))
        });
        match known {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('$');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}
