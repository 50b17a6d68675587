//! What is shown in the place of a missing image or of an error: default image and error image (requests.md 23.3, 23.4).

use crate::catalog::{DefaultImageMode, Overrides};
use crate::error::{Error, Kind};
use crate::reply::Reply;
use crate::reply::caching::Ttl;
use crate::request::{
    MergedCommand, Object, ReqType, Request, Role, Scope, encode_value, resolve_text,
};

use super::cached::Caching;
use super::prepare::Prepared;
use super::scene::{Failure, attributes_of};
use super::{Call, guard};

/// What a missing image is replaced by: the whole request by a default image.
pub(super) struct Replacement {
    object: Object,
    /// The commands that are kept.
    query: String,
}

impl<'a> Call<'a> {
    /// The scene of an image; where an image is missing and `DefaultImageMode` is 0, that of the default image with its
    /// own call (`U-default-detail`).
    pub(super) fn scene_or_default(&self) -> Result<(Call<'a>, Prepared<'a>), Error> {
        let (path, parsed) = self.read()?;
        let attributes = attributes_of(self, &path);
        let replacement = match attributes.default_image_mode {
            DefaultImageMode::Request => self.default_image(&parsed.request, &attributes),
            DefaultImageMode::Layer => None,
        };
        let replacement =
            replacement.map(|object| Replacement { object, query: kept_commands(&parsed.request) });
        match (self.opened_scene(path, parsed), replacement) {
            (Ok(prepared), _) => Ok((self.clone(), prepared)),
            (Err(Failure::Missing(error)), Some(replacement)) if !self.redirects(&error) => {
                let expiration = Some(attributes.default_expiration);
                let overrides = Overrides { expiration, ..self.overrides.clone() };
                let call = self.of_object(replacement.object, replacement.query, Role::Main);
                let call = Call { overrides, ..call };
                match call.scene() {
                    Ok(prepared) => Ok((call, prepared)),
                    Err(failure) => {
                        log::warn!("the default image cannot be had: {}", failure.into_error());
                        Err(error)
                    }
                }
            }
            (Err(failure), _) => Err(failure.into_error()),
        }
    }

    /// The error image of the catalog, with status 200; the error itself where there is none or it fails, too.
    ///
    /// Only for images, not where the server could not do more work anyway (`U-errorimage`), and not where a second
    /// server is asked (requests.md 23.5).
    pub(super) fn error_image(
        &self,
        kind: ReqType,
        error: Error,
        level: u8,
    ) -> Result<Reply, Error> {
        let is_image = matches!(kind, ReqType::Img | ReqType::Mask | ReqType::Tmb);
        let is_shown = !matches!(error.kind(), Kind::Busy | Kind::TimedOut | Kind::Method)
            && !self.redirects(&error);
        let attributes = guard::attributes(self.main.catalog, &self.overrides);
        let object = attributes.error_image.as_deref().and_then(|id| Object::parse(id).ok());
        let Some(object) = object.filter(|_| is_image && is_shown) else { return Err(error) };
        let variables = [
            ("error.message", error.public_text(level.min(2))),
            ("error.title", error.title().to_owned()),
        ];
        let inherited =
            variables.map(|(name, text)| (name.to_owned(), encode_value(&text))).to_vec();
        // An error is never marked (`U-wm-types`).
        let overrides = Overrides { watermark: Some(String::new()), ..self.overrides.clone() };
        let call = self.of_object(object, String::new(), Role::Main);
        let call = Call { inherited, overrides, stand_in: None, ..call };
        let drawn = call
            .prepared()
            .and_then(|prepared| call.reply_of(&prepared, Ttl::Never, Caching::Never));
        drawn.map_err(|own| {
            log::warn!("the error image cannot be had: {own}");
            error
        })
    }
}

/// `wid=`, `hei=`, `fmt=`, `qlt=` and the type, which a default image keeps.
fn kept_commands(request: &Request) -> String {
    let is_kept = |command: &&MergedCommand| {
        command.scope == Scope::Comp
            && ["wid", "hei", "fmt", "qlt"].contains(&command.name.as_str())
    };
    let kept: Vec<MergedCommand> = request.merged.iter().filter(is_kept).cloned().collect();
    let commands = resolve_text(&kept);
    match request.attributes.req_or_default().kind {
        ReqType::Tmb => format!("{commands}&req=tmb"),
        _ => commands,
    }
}
