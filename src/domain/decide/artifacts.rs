//! What runs bring back: each artifact is told or uploaded once, however often it is reported.

use super::Turn;
use crate::domain::{
    artifact::Artifact,
    effect::{Effect, Slot},
    words::cards,
};

impl Turn<'_> {
    /// Brings what is new of a run's artifacts into the conversation.
    pub(super) fn bring(&mut self, child: Option<u32>, artifacts: &[Artifact]) {
        let of = match child {
            Some(number) => self.called(Slot::Child(number)),
            None => self.called(Slot::Parent),
        };
        for artifact in artifacts {
            let key = artifact.key();
            if let Some(child) = child.and_then(|number| self.it.child_mut(number)) {
                match child.artifacts.iter_mut().find(|known| known.key() == key) {
                    Some(known) => known.clone_from(artifact),
                    None => child.artifacts.push(artifact.clone()),
                }
            }
            let told = self.it.artifacts.get(&key).is_some_and(|known| known.is_uploaded() || !artifact.is_uploaded());
            if told {
                continue;
            }
            self.it.artifacts.insert(key, artifact.clone());
            match artifact {
                Artifact::PullRequest { url, .. } => {
                    self.say(cards::pull_request(&of, url));
                    self.attach(url, &of);
                }
                Artifact::Plan { .. } | Artifact::Screenshot { .. } | Artifact::File { .. }
                    if artifact.is_uploaded() =>
                {
                    self.act(Effect::Upload { artifact: artifact.clone(), of: of.clone() });
                }
                Artifact::Plan { .. }
                | Artifact::Screenshot { .. }
                | Artifact::File { .. }
                | Artifact::Reference { .. } => {}
            }
        }
    }
}
