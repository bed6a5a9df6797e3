"""Makes the demo model: corpus → tokenizer → training → files → figures (``python packaging/demo_model``)."""
