//! Second step: from the resource to a platform that can be built. Pure.

use super::obstacle::Obstacle;
use crate::{
    api::{FoodPlatform, Reason},
    build::Platform,
};

/// Checks the spec and fills in the defaults.
///
/// # Errors
/// An obstacle that names the field.
pub(super) fn validate(platform: &FoodPlatform) -> Result<Platform, Obstacle> {
    Platform::new(platform).map_err(|error| Obstacle::new(Reason::InvalidSpec, error.to_string()))
}
