//! How published checkpoints name what these models declare.

/// The name under which these models declare a published tensor; `None` for buffers, aliases of tied tensors and
/// heads that no model here has.
///
/// Checkpoints come with and without the prefix of their `model_type` (`bert.`, `electra.`; XLNet's and GPT-2's is
/// `transformer.`), with LayerNorm's old names `gamma` and `beta`, and with the tied output matrix stored again as
/// `cls.predictions.decoder.weight`, `generator_lm_head.weight`, `lm_loss.weight` or `lm_head.weight`. Old files of GPT-2
/// hold the causal mask, too.
///
/// The pre-training models of RetroMAE, DupMAE and Condenser hold theirs under `lm.` beside `c_head.`, torch's parallel
/// wrappers all under `module.`. `decoder_embeddings.` is RetroMAE's alias of the encoder's; `co_target` is coCondenser's
/// buffer of labels (FlagOpen/FlagEmbedding at 7ed43d6,
/// `research/old-examples/pretrain/retromae_pretrain`; luyug/Condenser at 74880ab, `modeling.py`).
pub fn canonical(model_type: &str, published: &str) -> Option<String> {
    let wrapped = ["module.", "lm."].iter().find_map(|wrapper| published.strip_prefix(wrapper));
    if let Some(inner) = wrapped {
        return canonical(model_type, inner);
    }
    let renamed = match published.rsplit_once('.') {
        Some((path, "gamma")) => format!("{path}.weight"),
        Some((path, "beta")) => format!("{path}.bias"),
        Some((_, "position_ids" | "token_type_ids")) => return None,
        _ => published.to_string(),
    };
    let name = renamed.as_str();
    match name {
        "cls.predictions.decoder.weight" | "co_target" => None,
        _ if name.starts_with("decoder_embeddings.") => None,
        _ if name.ends_with("generator_lm_head.weight") => None,
        "cls.predictions.decoder.bias" => Some("cls.predictions.bias".into()),
        _ if name.starts_with("cls.seq_relationship.") => None,
        _ if ["embeddings.", "embeddings_project.", "encoder.", "pooler."]
            .iter()
            .any(|bare| name.starts_with(bare)) =>
        {
            Some(format!("{model_type}.{name}"))
        }
        "lm_loss.weight" | "lm_head.weight" => None,
        _ if name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") => None,
        _ if ["word_embedding.", "mask_emb", "layer.", "wte.", "wpe.", "h.", "ln_f."]
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
            ("h.0.attn.c_attn.weight", Some("transformer.h.0.attn.c_attn.weight")),
            ("transformer.ln_f.bias", Some("transformer.ln_f.bias")),
            ("h.0.attn.bias", None),
            ("lm_head.weight", None),
            ("logit_scale", Some("logit_scale")),
            ("c_head.output.dense.bias", Some("c_head.output.dense.bias")),
            ("lm.bert.embeddings.word_embeddings.weight", Some(word)),
            ("module.lm.cls.predictions.bias", Some("cls.predictions.bias")),
            ("lm.cls.predictions.decoder.weight", None),
            ("decoder_embeddings.LayerNorm.weight", None),
            ("co_target", None),
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
