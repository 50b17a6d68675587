//! A request ready to be planned and rendered: what the plan gets, what the renderer draws from, how long the result
//! lives. Opens nothing.

use std::borrow::Cow;

use crate::catalog::{Attributes, Catalog, Expiration};
use crate::error::Error;
use crate::plan::{self, Inputs, LayerFacts, Paths, Plan, Purpose};
use crate::render::{LayerSources, Origin, Source, Sources};
use crate::reply::caching::Ttl;
use crate::request::{CacheControl, Request};

use super::Call;
use super::lookup::RecordInfo;
use super::scene::{Failure, Picture};

/// A request ready to be planned.
pub(super) struct Prepared<'a> {
    /// The typed request.
    pub request: Request,
    /// Attributes of the main catalog in force (the default catalog after `FullMatch`), with those of rules.
    pub attributes: Cow<'a, Attributes>,
    /// The layers that are drawn, by ascending number; layer 0 is always the first.
    pub layers: Vec<Layer<'a>>,
    /// What is laid over the composite.
    pub watermark: Option<Box<Prepared<'a>>>,
}

/// What a layer draws from.
pub(super) struct Layer<'a> {
    /// Its number.
    pub number: u32,
    /// The catalog that supplies it.
    pub catalog: &'a Catalog,
    /// Its record, or what stands for one.
    pub info: RecordInfo,
    /// Its source; `None` for a solid color.
    pub image: Option<Picture<'a>>,
    /// Its separate mask.
    pub mask: Option<Picture<'a>>,
    /// `catalog::Map` of its record.
    pub map: Option<&'a str>,
}

impl<'a> Layer<'a> {
    /// Source and mask.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture<'a>> {
        self.image.iter().chain(&self.mask)
    }
}

impl<'a> Call<'a> {
    /// The scene of a request whose missing images are an error.
    pub(super) fn prepared(&self) -> Result<Prepared<'a>, Error> {
        self.scene().map_err(Failure::into_error)
    }
}

impl<'a> Prepared<'a> {
    /// Layer 0.
    pub(super) fn layer_0(&self) -> Option<&Layer<'a>> {
        self.layers.first()
    }

    /// What the plan knows of the layers.
    pub(super) fn facts(&self) -> Vec<LayerFacts<'_>> {
        self.layers
            .iter()
            .map(|layer| LayerFacts {
                number: layer.number,
                attributes: &layer.catalog.attributes,
                record: layer.info.fields,
                source: layer.image.as_ref().map(Picture::header),
                mask: layer.mask.as_ref().map(Picture::header),
            })
            .collect()
    }

    /// What the plan is made from.
    pub(super) fn inputs<'i>(
        &'i self,
        call: &'i Call<'_>,
        facts: &'i [LayerFacts<'i>],
        purpose: Purpose,
    ) -> Inputs<'i> {
        Inputs {
            request: &self.request,
            attributes: &self.attributes,
            layers: facts,
            settings: &call.service.plan_settings,
            purpose,
            paths: Paths::Fast,
        }
    }

    /// The plan of the image.
    pub(super) fn planned(&self, call: &Call<'_>, purpose: Purpose) -> Result<Plan, Error> {
        let facts = self.facts();
        let inputs = self.inputs(call, &facts, purpose);
        let mut plan = plan::resolve(&inputs, &mut |size, model| {
            let Some(watermark) = &self.watermark else { return Ok(None) };
            let plan = watermark.planned(call, Purpose::Watermark(size, model))?;
            Ok(Some(plan::placed_watermark(&watermark.request, plan, size)))
        })?;
        let nested =
            self.layers.iter().flat_map(Layer::pictures).filter_map(|picture| match picture {
                Picture::Nested(nested) => Some(nested.plan.cost.pixels),
                Picture::File(..) | Picture::Remote(..) => None,
            });
        plan.cost.pixels = nested.fold(plan.cost.pixels, u64::saturating_add);
        Ok(plan)
    }

    /// What the renderer draws from; results of nested requests that are kept are drawn or taken from the cache here.
    pub(super) fn sources(&self, call: &Call<'_>) -> Result<Sources<'_>, Error> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            layers.push(LayerSources {
                number: layer.number,
                image: layer.image.as_ref().map(|picture| source(picture, call)).transpose()?,
                mask: layer.mask.as_ref().map(|picture| source(picture, call)).transpose()?,
            });
        }
        let watermark = self.watermark.as_ref().map(|watermark| watermark.sources(call));
        Ok(Sources { layers, watermark: watermark.transpose()?.map(Box::new) })
    }

    /// Calls `each` for every layer of this request, of its nested ones and of its watermark.
    pub(super) fn for_all_layers<'p>(&'p self, each: &mut dyn FnMut(&'p Layer<'a>)) {
        for layer in &self.layers {
            each(layer);
            for picture in layer.pictures() {
                if let Picture::Nested(nested) = picture {
                    nested.prepared.for_all_layers(each);
                }
            }
        }
        if let Some(watermark) = &self.watermark {
            watermark.for_all_layers(each);
        }
    }

    /// `Last-Modified` in ms since 1970: the newest `catalog::TimeStamp` of everything involved (`requests.md` 24.2).
    /// Where no record states one, the default of the catalog or the file's own time, whichever is later, so that a
    /// changed file is never confirmed.
    pub(super) fn modified_ms(&self) -> i64 {
        let mut newest = i64::MIN;
        self.for_all_layers(&mut |layer| {
            newest = newest.max(layer.info.time_stamp_ms);
            for picture in layer.pictures().filter(|_| !layer.info.has_own_time_stamp) {
                if let Picture::File(file, _) = picture {
                    let ms = file.identity().modified_ns / 1_000_000;
                    newest = newest.max(i64::try_from(ms).unwrap_or(i64::MAX));
                }
            }
        });
        newest
    }

    /// The smallest expiration of all layers (`requests.md` 24.1); for ever counts as infinity.
    fn expiration(&self) -> Expiration {
        let mut least = Expiration::Never;
        self.for_all_layers(&mut |layer| {
            least = match (least, layer.info.expiration) {
                (Expiration::Never, other) | (other, Expiration::Never) => other,
                (Expiration::Hours(one), Expiration::Hours(other)) => {
                    Expiration::Hours(one.min(other))
                }
            };
        });
        least
    }

    /// How long a client may keep the image (`requests.md` 24.1, `cache=`).
    pub(super) fn ttl(&self) -> Ttl {
        client_ttl(&self.request, self.expiration())
    }
}

fn source<'p>(picture: &'p Picture<'_>, call: &Call<'_>) -> Result<Source<'p>, Error> {
    let origin = match picture {
        Picture::File(file, _) => Origin::Bytes(file),
        Picture::Remote(image, _) => Origin::Bytes(image),
        Picture::Nested(nested) => match call.kept_canvas(nested)? {
            Some(canvas) => Origin::Canvas(canvas),
            None => Origin::Nested { plan: &nested.plan, sources: nested.prepared.sources(call)? },
        },
    };
    Ok(Source { origin, header: picture.header() })
}

/// The lifetime with `cache=` applied: client caching switched off is no-store.
pub(super) fn client_ttl(request: &Request, expiration: Expiration) -> Ttl {
    match request.attributes.cache {
        Some(CacheControl::Each { client: false, .. }) => Ttl::Never,
        Some(
            CacheControl::Each { client: true, .. } | CacheControl::Validate | CacheControl::Update,
        )
        | None => ttl(expiration),
    }
}

/// The lifetime that an expiration means.
pub(super) fn ttl(expiration: Expiration) -> Ttl {
    match expiration {
        Expiration::Hours(hours) => Ttl::from_hours(hours),
        Expiration::Never => Ttl::Forever,
    }
}
