//! `req=saveToFile` (`requests.md` 17): who may, what name, which folder; render; publish; report.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::{Config, Durability as ConfigDurability, Suffixes as ConfigSuffixes};
use crate::error::{Error, Kind, shown};
use crate::plan::Purpose;
use crate::reply::property::Properties;
use crate::reply::{HeaderValue, Reply};
use crate::request::{Fmt, Method};
use crate::save::{
    self, Durability, Existing, Quota, SaveFolder, SaveName, SaveSettings, SuffixRules, Suffixes,
};

use super::Call;
use super::admission::Class;
use super::scene::{Failure, attributes_of};

/// Opens `IS::SaveDirectory` with the settings of `saveToFile.*`.
pub(super) fn open_folder(config: &Config) -> SaveFolder {
    let Some(directory) = &config.is.save_directory else {
        return SaveFolder::disabled("SaveDirectory is not set");
    };
    let settings = &config.ps.save_to_file;
    let save_settings = SaveSettings {
        existing: if settings.overwrite { Existing::Replaced } else { Existing::Kept },
        durability: match settings.durability {
            ConfigDurability::Full => Durability::Full,
            ConfigDurability::Rename => Durability::Rename,
        },
        mode: settings.mode,
        quota: Quota {
            max_bytes: (settings.max_bytes > 0).then_some(settings.max_bytes),
            min_free_bytes: settings.min_free_bytes,
        },
    };
    SaveFolder::open(Path::new(directory), save_settings)
}

impl Call<'_> {
    /// Saves the image and reports it; every outcome is logged (`U-save-log`).
    pub(super) fn save(&self) -> Result<Reply, Error> {
        let start = Instant::now();
        let mut name = String::new();
        let outcome = self.saved(&mut name).map_err(save::timed_out);
        let catalog = match self.main.catalog.attributes.root_id.as_str() {
            "" => "default",
            root_id => root_id,
        };
        let client = self.client.map_or("unknown".to_owned(), |client| client.to_string());
        let (size, status) = match &outcome {
            Ok((_, size)) => (size.clone(), "done".to_owned()),
            Err(error) => ("-".to_owned(), format!("failed: {error}")),
        };
        log::info!(
            "save client={client} catalog={catalog} name={} {size} ms={} {status}",
            shown(&name),
            start.elapsed().as_millis()
        );
        let (mut reply, _) = outcome?;
        // Else a web server may send the part that `Range` asks for (W-3).
        reply.headers.push(("Accept-Ranges".into(), HeaderValue::new("none")));
        Ok(reply)
    }

    fn saved(&self, name: &mut String) -> Result<(Reply, String), Error> {
        let settings = &self.service.config.ps.save_to_file;
        self.permitted()?;
        let (path, mut parsed) = self.read()?;
        let attributes = &mut parsed.request.attributes;
        *name = attributes.name.clone().unwrap_or_default();
        // From here on the time counts, that of opening a slow source included.
        let timeout = attributes.timeout_ms.map_or(settings.save_timeout, Duration::from_millis);
        self.deadline.move_to(timeout.min(settings.max_timeout));
        let in_force = attributes_of(self, &path);
        let save_path = in_force.save_path.as_deref().unwrap_or_default();
        if save_path.is_empty() {
            return Err(Error::new(Kind::Refused, "SavePath is empty").with_title(save::DISABLED));
        }
        let save_name = SaveName::new(attributes.name.as_deref(), &suffix_rules(self.service))?;
        if settings.format_from_suffix && attributes.fmt.is_none() {
            let format = format_of_suffix(save_name.as_str());
            attributes.fmt = format.map(|(word, _)| Fmt::parse(word)).transpose()?;
        }
        let prepared = self.opened_scene(path, parsed).map_err(Failure::into_error)?;
        let plan = prepared.planned(self, Purpose::Save)?;
        if let Some(warning) = contradiction(save_name.as_str(), plan.output.mime) {
            log::warn!("save {}: {warning}", shown(name));
        }
        let target = self.service.saves.target(save_path, &save_name)?;
        let saved = {
            let _permit = self.admitted(&plan, Class::Save)?;
            let mut file = target.create(self.deadline)?;
            match self.written(&prepared, &plan, &mut file) {
                Ok(()) => file.publish()?,
                Err(error) => return Err(file.take_failure().unwrap_or(error)),
            }
        };
        let mut properties = Properties::new();
        let modified_ms = u64::try_from(saved.modified_ms).unwrap_or(0);
        properties.int("lastUpdated", modified_ms);
        properties.int("pixelsTotal", plan.reply().pixels());
        properties.text("status", "done");
        let size = format!("size={} bytes={}", plan.reply(), saved.bytes);
        Ok((self.text_reply(&properties), size))
    }

    /// Method and what browsers say about where a request comes from (security W-1, W-2).
    fn permitted(&self) -> Result<(), Error> {
        let settings = &self.service.config.ps.save_to_file;
        let refused = |detail: &str| Err(Error::new(Kind::Refused, detail));
        match self.raw.method {
            Method::Head | Method::Options | Method::Other => {
                return Err(Error::new(Kind::Method, "expected GET or POST"));
            }
            Method::Get if settings.require_post => {
                return refused("saveToFile.requirePost is set: expected POST");
            }
            Method::Get | Method::Post => {}
        }
        let headers = &self.raw.headers;
        if settings.allow_cross_site {
            return Ok(());
        }
        let is_prefetch = headers.purpose.as_ref().is_some_and(|purpose| {
            let purpose = purpose.to_ascii_lowercase();
            [b"prefetch".as_slice(), b"prerender", b"preview"]
                .iter()
                .any(|word| purpose.windows(word.len()).any(|part| part == *word))
        });
        if is_prefetch {
            return refused("a prefetch does not save (saveToFile.allowCrossSite)");
        }
        if let Some(site) = &headers.sec_fetch_site
            && !site.eq_ignore_ascii_case(b"same-origin")
            && !site.eq_ignore_ascii_case(b"same-site")
            && !site.eq_ignore_ascii_case(b"none")
        {
            return refused("a cross-site request does not save (saveToFile.allowCrossSite)");
        }
        if let Some(origin) = &headers.origin
            && !is_own_origin(origin, headers.host.as_deref())
        {
            return refused(
                "a request of another origin does not save (saveToFile.allowCrossSite)",
            );
        }
        if let Some(referer) = &headers.referer
            && !is_own_origin(referer, headers.host.as_deref())
        {
            return refused(
                "a request from another site does not save (saveToFile.allowCrossSite)",
            );
        }
        Ok(())
    }
}

/// Whether a URL's host and port are those that the request was sent to.
fn is_own_origin(url: &[u8], host: Option<&[u8]>) -> bool {
    let own = std::str::from_utf8(url).ok().and_then(|text| url::Url::parse(text).ok());
    let host = host.and_then(|host| std::str::from_utf8(host).ok());
    let (Some(own), Some(host)) = (own, host) else { return false };
    // A Host without port means the default port of the scheme, which the URL then leaves out too.
    let Ok(asked) = url::Url::parse(&format!("{}://{host}/", own.scheme())) else { return false };
    own.host().is_some()
        && own.host() == asked.host()
        && own.port_or_known_default() == asked.port_or_known_default()
}

fn suffix_rules(service: &super::Service) -> SuffixRules {
    let settings = &service.config.ps.save_to_file;
    SuffixRules {
        allowed: match &settings.suffixes {
            ConfigSuffixes::Any => Suffixes::Any,
            ConfigSuffixes::Listed(list) => Suffixes::Listed(list.clone()),
        },
        denied_inside: settings.denied_parts.clone(),
    }
}

/// A suffix that says another format than the one written; `fmt=` alone decides (`U-save-format`).
fn contradiction(name: &str, mime: &str) -> Option<String> {
    let (format, expected) = format_of_suffix(name)?;
    (expected != mime)
        .then(|| format!("the suffix of the name says {format}, the format is {mime}"))
}

/// The `fmt=` word and the type that the suffix of a file name stands for; `None` for other suffixes and without one.
fn format_of_suffix(name: &str) -> Option<(&'static str, &'static str)> {
    let suffix = name.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    match suffix.as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Some(("jpeg", "image/jpeg")),
        "png" => Some(("png", "image/png")),
        "gif" => Some(("gif", "image/gif")),
        "tif" | "tiff" => Some(("tif", "image/tiff")),
        "webp" => Some(("webp", "image/webp")),
        "avif" => Some(("avif", "image/avif")),
        _ => None,
    }
}
