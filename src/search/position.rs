//! Places on earth for `near` (FHIR R4 location.html#search): points in space, so that a database
//! without angle functions compares distances in whole numbers.
//!
//! The earth is a sphere here: distances are right within half a percent.

/// Mean radius of the earth, cm.
const RADIUS: f64 = 637_100_880.0;

/// A point on the surface, cm from the centre of the earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub struct Point {
    pub x: i64,
    pub y: i64,
    pub z: i64,
}

impl Point {
    /// The point at a latitude and longitude in degrees (WGS 84); `None` when there is none.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        #[expect(clippy::cast_possible_truncation, reason = "at most the radius")]
        let whole = |part: f64| (part * RADIUS).round() as i64;
        Some(Self {
            x: whole(latitude.cos() * longitude.cos()),
            y: whole(latitude.cos() * longitude.sin()),
            z: whole(latitude.sin()),
        })
    }
}

/// How long the straight line (through the earth) is at most between points this far from each other on
/// its surface; metres to cm. Half around the earth is as far as it gets.
#[must_use]
pub fn chord(metres: f64) -> i64 {
    let angle = (metres * 100.0 / (2.0 * RADIUS)).clamp(0.0, std::f64::consts::FRAC_PI_2);
    #[expect(clippy::cast_possible_truncation, reason = "at most the diameter")]
    let whole = (2.0 * RADIUS * angle.sin()).round() as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(one: (f64, f64), other: (f64, f64)) -> f64 {
        let (one, other) = (Point::new(one.0, one.1).unwrap(), Point::new(other.0, other.1).unwrap());
        let square = (one.x - other.x).pow(2) + (one.y - other.y).pow(2) + (one.z - other.z).pow(2);
        (square as f64).sqrt() / 100.0
    }

    #[test]
    fn chords_are_distances() {
        // A degree of a meridian is 111.195 km on this sphere.
        assert!((apart((35.0, 137.0), (36.0, 137.0)) - chord(111_195.08) as f64 / 100.0).abs() < 1.0);
        // Over the date line and over a pole.
        assert!(apart((0.0, 179.999), (0.0, -179.999)) < 223.0);
        assert!(apart((89.999, 0.0), (89.999, 180.0)) < 223.0);
        assert_eq!(chord(f64::MAX), 2 * 637_100_880);
        assert_eq!(chord(0.0), 0);
        assert!(Point::new(90.1, 0.0).is_none() && Point::new(f64::NAN, 0.0).is_none());
    }
}
