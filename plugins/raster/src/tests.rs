//! Comparison with OpenCV, and the borders.

use serde::Deserialize;

use super::{Normaliser, Raster, View};

/// The output of `reference/make.py`.
#[derive(Deserialize)]
struct Case {
    from: [usize; 2],
    to: [usize; 2],
    levels: Vec<u8>,
    resized: Vec<u8>,
}

#[test]
fn resizing_agrees_with_opencv() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../reference/resize.json")).unwrap();
    for Case {
        from: [width, height],
        to,
        levels,
        resized,
    } in cases
    {
        let given = View::new(width, height, &levels)
            .unwrap()
            .resized(to[0], to[1])
            .into_levels();
        assert_eq!(given, resized, "{width} × {height} to {to:?}");
    }
}

#[test]
fn a_view_has_as_many_levels_as_its_sides_say() {
    assert!(View::new(2, 1, &[0; 6]).is_some());
    assert!(View::new(2, 1, &[0; 5]).is_none());
    assert!(View::new(0, 1, &[]).is_none());
    assert!(View::new(usize::MAX, 2, &[0; 6]).is_none());
    assert!(Raster::new(65_536, 1, vec![0; 65_536 * 3]).is_none());
}

#[test]
fn rotation_moves_pixels() {
    let levels: Vec<u8> = (0..18).collect();
    let picture = View::new(3, 2, &levels).unwrap();
    assert_eq!(picture.upside_down().into_levels()[..3], [15, 16, 17]);
    let left = picture.turned_left();
    assert_eq!((left.view().width(), left.view().height()), (2, 3));
    assert_eq!(left.view().row(0), [6, 7, 8, 15, 16, 17]);
    assert_eq!(left.view().turned_left(), picture.upside_down());
}

#[test]
fn beyond_the_border_the_nearest_pixel_counts() {
    let picture = View::new(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(picture.pixel(-5, -5), [1, 2, 3]);
    assert_eq!(picture.pixel(9, 9), [4, 5, 6]);
}

#[test]
fn planes_are_written_from_the_upper_left_corner() {
    let picture = View::new(1, 2, &[0, 51, 255, 255, 0, 51]).unwrap();
    let mut planes = [9.0; 12];
    Normaliser::new([0.5, 0.0, 0.0], [0.5, 1.0, 0.2]).write(&picture, 2, &mut planes);
    assert_eq!(
        planes,
        [-1.0, 9.0, 1.0, 9.0, 0.2, 9.0, 0.0, 9.0, 5.0, 9.0, 1.0, 9.0]
    );
}
