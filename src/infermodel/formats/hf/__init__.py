"""Language models from the `config.json` that stands beside weights in the Hugging Face layout, family by family.

A family (`model_type`) is a reader put together from pieces: what mixes tokens in each layer, what works on each alone,
and what only this family has. Keys that a file leaves out take the default of the family's own class in transformers
(`class_defaults.json`, its version inside).
"""
