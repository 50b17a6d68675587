//! `req=set`: the structure of a media set with all that belongs to it, as XML or JSON (`requests.md` 20). What the
//! structure is, `set_walk` finds out.

use crate::error::{Error, Kind, shown};
use crate::reply::date::http_date;
use crate::reply::property::PropertyStyle;
use crate::reply::{HeaderValue, Reply, caching};
use crate::request::{Origin, PropertyFormat, Request, decode_value};

use super::Call;
use super::lookup::moment;
use super::prepare::ttl;
use super::set_walk::{Walk, too_large};
use super::{guard, validators};

impl<'a> Call<'a> {
    /// The set of the path or of `imageSet=`.
    pub(super) fn set(&self) -> Result<Reply, Error> {
        let path = self.path_object().ok().flatten();
        let request = self.parsed(path.as_ref())?.request;
        self.check_colons(&request)?;
        let mut walk = Walk::new(self, request.attributes.label_key.clone());
        let element = walk.whole(request.attributes.image_set.as_deref())?;
        let newest_ms = walk.newest_ms();
        let attributes = guard::attributes(self.effective_main(path.as_ref()), &self.overrides);
        let style = PropertyStyle::from(&request.attributes);
        let body = match style.format() {
            PropertyFormat::Json => style.jsonp(&element.to_json()).into_bytes(),
            PropertyFormat::Text | PropertyFormat::JavaScript | PropertyFormat::Xml => {
                element.to_xml(style.encoding())
            }
        };
        let mut reply = style.reply(200, body);
        reply.headers.retain(|(name, _)| name.as_str() != "Cache-Control");
        let limit = self.service.config.is.max_message_bytes;
        if reply.body.len() > limit {
            return Err(too_large(format!("reply of {} bytes", reply.body.len()), limit));
        }
        let ttl = ttl(attributes.non_img_expiration);
        caching::add_ttl(&mut reply, ttl, self.now);
        let etag = validators::of_bytes(&reply.body);
        reply.headers.push(("ETag".into(), HeaderValue::new(etag)));
        let modified_ms = attributes.use_last_modified.then(|| {
            match self.service.config.ps.fvctx_use_catalog_record_validation {
                true => newest_ms,
                false => attributes.time_stamp_ms,
            }
        });
        if let Some(ms) = modified_ms {
            reply.headers.push(("Last-Modified".into(), HeaderValue::new(http_date(moment(ms)))));
        }
        let modified = modified_ms.map(|ms| ms.div_euclid(1000));
        match self.is_unchanged(&reply, ttl, modified) {
            true => Ok(caching::not_modified(reply)),
            false => Ok(reply),
        }
    }

    /// `:` is not allowed in the request, but for the pages of a set that it holds (`U-set-default`).
    fn check_colons(&self, request: &Request) -> Result<(), Error> {
        let object = self.located.object.id();
        if object.contains(':') {
            return Err(Error::new(
                Kind::Syntax,
                format!("object is {}, expected no :", shown(&object)),
            ));
        }
        let written = request.merged.iter().filter(|command| {
            command.origin == Origin::Url
                && command.macro_name.is_none()
                && command.name != "imageSet"
        });
        for command in written {
            let has_colon = match command.is_encoded {
                true => decode_value(&command.value).is_ok_and(|value| value.contains(':')),
                false => command.value.contains(':'),
            };
            if has_colon {
                let detail = format!("{} holds :, which req=set does not allow", command.name);
                return Err(Error::new(Kind::Syntax, detail));
            }
        }
        Ok(())
    }
}
