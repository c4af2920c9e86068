"""What other sites embed: the widget's script and style, the HTML fragment, the JSON Feed."""
