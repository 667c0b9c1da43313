//! What can be chosen for a run, each as id and name.

use serde::Deserialize;

use crate::oz::lenient::{List, Part, Text};

/// `GET /agent/environments`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Environments {
    environments: List<Environment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Environment {
    uid: Text,
    config: Part<EnvironmentConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvironmentConfig {
    name: Text,
}

/// `GET /agent/models`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Models {
    models: List<Model>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Model {
    id: Text,
    display_name: Text,
    /// Why it cannot be chosen now.
    disable_reason: Text,
}

/// `GET /agent`: skills, each in one or more repositories.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Skills {
    agents: List<Skill>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Skill {
    name: Text,
    variants: List<Variant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Variant {
    id: Text,
}

impl Environments {
    pub fn read(self) -> Vec<(String, String)> {
        let named = |environment: Environment| {
            let id = environment.uid.0?;
            let name = environment.config.0.and_then(|config| config.name.0).unwrap_or_else(|| id.clone());
            Some((id, name))
        };
        self.environments.0.into_iter().filter_map(named).collect()
    }
}

impl Models {
    pub fn read(self) -> Vec<(String, String)> {
        let named = |model: Model| {
            let id = model.id.0?;
            Some((id.clone(), model.display_name.0.unwrap_or(id)))
        };
        self.models.0.into_iter().filter(|model| model.disable_reason.0.is_none()).filter_map(named).collect()
    }
}

impl Skills {
    pub fn read(self) -> Vec<(String, String)> {
        let named = |skill: Skill| {
            let name = skill.name.0;
            let variants = skill.variants.0.into_iter().filter_map(|variant| variant.id.0);
            variants.map(move |id| (id.clone(), name.clone().unwrap_or(id)))
        };
        self.agents.0.into_iter().flat_map(named).collect()
    }
}
