"""Pictures and widgets: the only folder that knows how a model is shown."""
