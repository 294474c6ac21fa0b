//! How published checkpoints name what these models declare.

/// The name under which these models declare a published tensor; `None` for buffers, aliases of tied tensors and
/// heads that no model here has.
///
/// Checkpoints come with and without the prefix of their `model_type` (`bert.`, `electra.`; XLNet's is `transformer.`), with
/// LayerNorm's old names `gamma` and `beta`, and with the tied output matrix stored again as
/// `cls.predictions.decoder.weight`, `generator_lm_head.weight` or `lm_loss.weight`.
pub fn canonical(model_type: &str, published: &str) -> Option<String> {
    let renamed = match published.rsplit_once('.') {
        Some((path, "gamma")) => format!("{path}.weight"),
        Some((path, "beta")) => format!("{path}.bias"),
        Some((_, "position_ids" | "token_type_ids")) => return None,
        _ => published.to_string(),
    };
    let name = renamed.as_str();
    match name {
        "cls.predictions.decoder.weight" => None,
        _ if name.ends_with("generator_lm_head.weight") => None,
        "cls.predictions.decoder.bias" => Some("cls.predictions.bias".into()),
        _ if name.starts_with("cls.seq_relationship.") => None,
        _ if ["embeddings.", "embeddings_project.", "encoder.", "pooler."]
            .iter()
            .any(|bare| name.starts_with(bare)) =>
        {
            Some(format!("{model_type}.{name}"))
        }
        "lm_loss.weight" => None,
        _ if ["word_embedding.", "mask_emb", "layer."]
            .iter()
            .any(|bare| name.starts_with(bare)) =>
        {
            Some(format!("transformer.{name}"))
        }
        _ => Some(renamed),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn every_published_form_is_known() {
        let word = "bert.embeddings.word_embeddings.weight";
        for (published, expected) in [
            (word, Some(word)),
            ("embeddings.word_embeddings.weight", Some(word)),
            ("bert.embeddings.LayerNorm.gamma", Some("bert.embeddings.LayerNorm.weight")),
            ("embeddings.LayerNorm.beta", Some("bert.embeddings.LayerNorm.bias")),
            ("bert.embeddings.position_ids", None),
            ("cls.predictions.decoder.weight", None),
            ("cls.predictions.decoder.bias", Some("cls.predictions.bias")),
            ("bert.pooler.dense.weight", Some("bert.pooler.dense.weight")),
            ("pooler.dense.bias", Some("bert.pooler.dense.bias")),
            ("classifier.weight", Some("classifier.weight")),
            ("layer.0.rel_attn.q", Some("transformer.layer.0.rel_attn.q")),
            ("transformer.mask_emb", Some("transformer.mask_emb")),
            ("lm_loss.weight", None),
            ("c_head.output.dense.bias", Some("c_head.output.dense.bias")),
        ] {
            assert_eq!(canonical("bert", published).as_deref(), expected, "{published}");
        }
        let bare = "embeddings_project.weight";
        assert_eq!(
            canonical("electra", bare).as_deref(),
            Some("electra.embeddings_project.weight")
        );
        assert_eq!(canonical("electra", "generator_lm_head.weight"), None);
    }
}
