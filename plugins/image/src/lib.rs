//! Decodes pictures and converts them to the tensor that a model takes.
//!
//! The steps, in this order: decode, orient (EXIF), convert colours, resize, crop, scale and
//! normalise, lay out. Default: RGB as FP32 between 0 and 1, NCHW, in the picture's own size; each
//! step has settings. A picture is a raw body, or an element of a BYTES tensor. Bounds:
//! `max_pixels` before anything is decoded, `max_images`, `max_output_bytes`.

mod choices;
mod colour;
mod decode;
mod elements;
mod exif;
mod picture;
mod resize;
mod settings;

use hotstage_sdk::{
    Datatype, Dimension, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any,
    export, size,
};

use crate::choices::{Alpha, Kind, Layout};
use crate::decode::Bound;
use crate::elements::Tables;
use crate::picture::Picture;
use crate::resize::Frame;
use crate::settings::Settings;

/// The steps with their data.
pub struct Image {
    settings: Settings,
    tables: Tables,
    /// The padding of `fit: contain`, in the picture's channels.
    pad: Vec<u8>,
}

/// A finished picture, and its original size.
struct Ready {
    picture: Picture,
    original: [usize; 2],
}

impl Preprocessor for Image {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Decodes pictures and shapes them into the tensor that a model takes.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let kind = match settings.datatype {
            Kind::Fp32 => Datatype::Fp32,
            Kind::Uint8 => Datatype::Uint8,
        };
        let sides = settings
            .crop
            .or_else(|| settings.resize.as_ref().and_then(|resize| resize.size));
        let [height, width] = sides.map_or([any(); 2], |sides| sides.map(size));
        let shape = shape_of::<Dimension>(
            settings.layout,
            any(),
            size(settings.colour.channels()),
            height,
            width,
        );
        let mut signature = Signature::new()
            .input(&settings.input, Datatype::Bytes, [any()])
            .output(&settings.output, kind, shape);
        if let Some(name) = &settings.original_size {
            signature = signature.output(name, Datatype::Int64, [any(), size(2)]);
        }
        let pad = settings
            .resize
            .as_ref()
            .and_then(|resize| resize.pad)
            .unwrap_or_default();
        let pad = Picture {
            width: 1,
            height: 1,
            channels: 3,
            pixels: pad.to_vec(),
        };
        let pad = colour::convert(pad, settings.colour, Alpha::Drop, settings.background).pixels;
        let tables = Tables::new(&settings);
        Ok((
            Self {
                settings,
                tables,
                pad,
            },
            signature,
        ))
    }

    fn accepts(&self) -> &[&str] {
        decode::CONTENT_TYPES
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let input = self.settings.input.clone();
        let pictures: Vec<&[u8]> = inputs.bytes(&input)?.collect();
        self.answer(&pictures, outputs, |index| {
            format!("input `{input}`: element {index}")
        })
    }

    fn raw(
        &mut self,
        _content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        self.answer(&[body], outputs, |_| "the body".to_owned())
    }
}

impl Image {
    /// Writes each picture when it is finished, so that only one is in memory.
    fn answer(
        &mut self,
        pictures: &[&[u8]],
        outputs: &mut Outputs,
        place: impl Fn(usize) -> String,
    ) -> Result<(), Failure> {
        let (count, most) = (pictures.len(), self.settings.max_images);
        if count > most {
            let input = &self.settings.input;
            return Err(Failure::invalid_input(format!(
                "input `{input}`: has {count} pictures; {most} are allowed (`max_images`)"
            )));
        }
        let mut originals = Vec::with_capacity(count * 2);
        let Some((first, others)) = pictures.split_first() else {
            return self.answer_none(outputs);
        };
        let refuse = |index: usize, wrong: String| {
            Failure::invalid_input(format!("{} {wrong}", place(index)))
        };
        let first = self.ready(first).map_err(|wrong| refuse(0, wrong))?;
        originals.extend(first.original);
        let Picture { height, width, .. } = first.picture;
        let shape = self
            .output_shape(count, height, width)
            .map_err(|wrong| refuse(0, wrong))?;
        let Self {
            settings: Settings { output, .. },
            ..
        } = self;
        let output = output.clone();
        // Looks the output up once; its mutable view can't be held across the next picture's steps
        // otherwise.
        let mut sink = match self.settings.datatype {
            Kind::Fp32 => Sink::Elements(outputs.make_slice(&output, &shape)?),
            Kind::Uint8 => Sink::Levels(outputs.make_slice(&output, &shape)?),
        };
        let each = shape.iter().skip(1).product();
        sink.write(self, &first.picture, 0, each);
        drop(first);
        for (index, bytes) in others
            .iter()
            .enumerate()
            .map(|(index, bytes)| (index + 1, bytes))
        {
            let next = self.ready(bytes).map_err(|wrong| refuse(index, wrong))?;
            let given = &next.picture;
            if (given.height, given.width) != (height, width) {
                return Err(refuse(
                    index,
                    different([given.height, given.width], [height, width]),
                ));
            }
            originals.extend(next.original);
            sink.write(self, &next.picture, index, each);
        }
        self.answer_originals(&originals, outputs)
    }

    /// Decodes, orients, converts colours, resizes, crops. An error continues a sentence whose
    /// subject is the picture.
    fn ready(&self, bytes: &[u8]) -> Result<Ready, String> {
        let Self { settings, pad, .. } = self;
        let bound = Bound {
            max_pixels: settings.max_pixels,
        };
        let (mut picture, orientation) = decode::decode(bytes, bound)?;
        if settings.orient {
            picture = picture.oriented(orientation);
        }
        let original = [picture.height, picture.width];
        picture = colour::convert(
            picture,
            settings.colour,
            settings.alpha,
            settings.background,
        );
        if let Some(resize) = &settings.resize {
            picture = resize::apply(picture, &Frame { resize, bound, pad })?;
        }
        if let Some([rows, columns]) = settings.crop {
            let [height, width] = [picture.height, picture.width];
            picture = picture.cropped([rows, columns]).ok_or_else(|| {
                format!(
                    "is {width} × {height} pixels when it is cropped; {columns} × {rows} are cut out of it, so \
                         send a larger one"
                )
            })?;
        }
        Ok(Ready { picture, original })
    }

    /// The shape of the answer, if it is within the bound.
    fn output_shape(
        &self,
        count: usize,
        height: usize,
        width: usize,
    ) -> Result<[usize; 4], String> {
        let channels = self.settings.colour.channels();
        let element = match self.settings.datatype {
            Kind::Fp32 => size_of::<f32>(),
            Kind::Uint8 => 1,
        };
        let most = self.settings.max_output_bytes;
        // In 64 bits, where this product can't overflow: each side has 16 bits, and the count 32.
        let bytes = [height, width, channels, element]
            .iter()
            .fold(count as u64, |product, side| product * *side as u64);
        if bytes > most as u64 {
            return Err(format!(
                "becomes {width} × {height} pixels, so that the {count} of the request take {bytes} bytes; {most} are \
                 allowed (`max_output_bytes`)"
            ));
        }
        Ok(shape_of(
            self.settings.layout,
            count,
            channels,
            height,
            width,
        ))
    }

    /// Without pictures, the tensor has no elements.
    fn answer_none(&self, outputs: &mut Outputs) -> Result<(), Failure> {
        let Some(port) = outputs.ports().first() else {
            return Err(Failure::internal("the signature has no output"));
        };
        let sides = port.shape.iter().map(|side| {
            side.and_then(|side| usize::try_from(side).ok())
                .unwrap_or(0)
        });
        let shape: Vec<usize> = sides.collect();
        let output = &self.settings.output;
        match self.settings.datatype {
            Kind::Fp32 => outputs.put_slice::<f32>(output, &shape, &[])?,
            Kind::Uint8 => outputs.put_slice::<u8>(output, &shape, &[])?,
        }
        self.answer_originals(&[], outputs)
    }

    fn answer_originals(&self, originals: &[usize], outputs: &mut Outputs) -> Result<(), Failure> {
        let Some(name) = &self.settings.original_size else {
            return Ok(());
        };
        let sides: Vec<i64> = originals
            .iter()
            .map(|side| i64::try_from(*side).unwrap_or(i64::MAX))
            .collect();
        outputs.put_slice(name, &[sides.len() / 2, 2], &sides)
    }
}

/// The output buffer for pictures.
enum Sink<'a> {
    Elements(&'a mut [f32]),
    Levels(&'a mut [u8]),
}

impl Sink<'_> {
    /// Writes the picture at its index; all pictures have the same number of elements.
    fn write(&mut self, image: &Image, picture: &Picture, index: usize, each: usize) {
        let Settings { colour, layout, .. } = image.settings;
        match self {
            Self::Elements(elements) => {
                image.tables.write(
                    picture,
                    colour,
                    layout,
                    &mut elements[index * each..][..each],
                );
            }
            Self::Levels(elements) => {
                elements::write_levels(
                    picture,
                    colour,
                    layout,
                    &mut elements[index * each..][..each],
                );
            }
        }
    }
}

fn shape_of<T>(layout: Layout, count: T, channels: T, height: T, width: T) -> [T; 4] {
    match layout {
        Layout::Nchw => [count, channels, height, width],
        Layout::Nhwc => [count, height, width, channels],
    }
}

#[cold]
fn different([height, width]: [usize; 2], [first_height, first_width]: [usize; 2]) -> String {
    format!(
        "becomes {width} × {height} pixels, and element 0 became {first_width} × {first_height}; the pictures of a \
         request must end with one size, so set `resize.size` or `crop`, or send them one by one"
    )
}

export!(preprocessor: Image);

#[cfg(test)]
mod tests;
