//! The demo's picture: cut into tiles before the work, joined after it.
//!
//! The drawing is a real one (`examples/picture/README.md` says whose, and its licence); the program that renders it is
//! `resvg`, published by others and unmodified. Its command line can render one group of an SVG, so the demo writes a
//! *cutting sheet*: one group per tile, each a window on the drawing. Each task renders one group.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, ensure};
use image::{RgbaImage, imageops};

/// The drawing, as its author published it.
pub const DRAWING: &[u8] = include_bytes!("../../../examples/picture/room.svg");
/// Under this name the cutting sheet refers to it.
pub const DRAWING_NAME: &str = "room.svg";
/// The cutting sheet's file name.
pub const SHEET_NAME: &str = "tiles.svg";
/// `resvg`, built from crates.io for WASI by this crate's build script.
pub const RENDERER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/resvg.wasm"));

/// A way to cut the drawing: columns × rows tiles, all of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    pub columns: u32,
    pub rows: u32,
    /// Pixels of the picture per unit of the drawing.
    pub scale: f64,
}

/// The part of the drawing's page that is painted, in its own units: left, top, width, height.
const PAINTED: (f64, f64, f64, f64) = (12.0, 111.0, 720.0, 660.0);
/// The drawing's page (A4) in its own units.
const PAGE: (f64, f64) = (793.7, 1122.52);

impl Cut {
    /// Four by three tiles of 450 × 550 pixels.
    pub const PICTURE: Self = Self {
        columns: 4,
        rows: 3,
        scale: 2.5,
    };
    /// Four by four tiles of 90 × 82 pixels: a quick draft.
    pub const DRAFT: Self = Self {
        columns: 4,
        rows: 4,
        scale: 0.5,
    };

    pub fn tiles(self) -> u32 {
        self.columns * self.rows
    }

    /// Width and height of a tile in pixels.
    fn tile_size(self) -> (u32, u32) {
        let (_, _, width, height) = PAINTED;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few hundred pixels"
        )]
        let pixels =
            |length: f64, parts: u32| (length * self.scale / f64::from(parts)).floor() as u32;
        (pixels(width, self.columns), pixels(height, self.rows))
    }

    /// The arguments of one task; `{index}` is the task's.
    pub fn arguments() -> Vec<String> {
        [
            "--export-id",
            "tile-{index}",
            "/iexec_in/tiles.svg",
            "/iexec_out/tile-{index}.png",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The file a task leaves.
    pub fn tile_name(index: u32) -> String {
        format!("tile-{index}.png")
    }

    /// The cutting sheet, an SVG.
    pub fn sheet(self) -> String {
        let (left, top, _, _) = PAINTED;
        let (width, height) = self.tile_size();
        let (unit_width, unit_height) = (
            f64::from(width) / self.scale,
            f64::from(height) / self.scale,
        );
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\">\n",
            width * self.columns,
            height * self.rows
        );
        for index in 0..self.tiles() {
            let (column, row) = (index % self.columns, index / self.columns);
            let (x, y) = (
                left + f64::from(column) * unit_width,
                top + f64::from(row) * unit_height,
            );
            let _ = writeln!(
                svg,
                "<g id=\"tile-{index}\"><svg x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" \
                 viewBox=\"{x} {y} {unit_width} {unit_height}\">\
                 <rect x=\"{x}\" y=\"{y}\" width=\"{unit_width}\" height=\"{unit_height}\" fill=\"#fff\"/>\
                 <image href=\"{DRAWING_NAME}\" width=\"{}\" height=\"{}\"/></svg></g>",
                column * width,
                row * height,
                PAGE.0,
                PAGE.1,
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Joins the tiles, in the order of the tasks, into one picture.
    pub fn join(self, tiles: &[impl AsRef<Path>]) -> anyhow::Result<RgbaImage> {
        let (width, height) = self.tile_size();
        let mut picture = RgbaImage::new(width * self.columns, height * self.rows);
        for (index, path) in (0_u32..).zip(tiles) {
            let path = path.as_ref();
            let tile = image::open(path)
                .with_context(|| format!("cannot read the tile {}", path.display()))?
                .into_rgba8();
            ensure!(
                tile.dimensions() == (width, height),
                "the tile {} measures {:?} pixels, not {width} × {height}",
                path.display(),
                tile.dimensions()
            );
            let (column, row) = (index % self.columns, index / self.columns);
            imageops::replace(
                &mut picture,
                &tile,
                i64::from(column * width),
                i64::from(row * height),
            );
        }
        Ok(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_has_a_group_for_every_task() {
        for cut in [Cut::PICTURE, Cut::DRAFT] {
            let sheet = cut.sheet();
            assert_eq!(sheet.matches("<g id=").count(), cut.tiles() as usize);
            assert!(sheet.contains(&format!("tile-{}", cut.tiles() - 1)));
        }
    }

    #[test]
    fn a_tile_of_another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tile-0.png");
        RgbaImage::new(3, 3).save(&path).unwrap();
        let error = Cut::DRAFT.join(&[path]).unwrap_err().to_string();
        assert!(
            error.contains("3 × 3") || error.contains("(3, 3)"),
            "{error}"
        );
    }
}
