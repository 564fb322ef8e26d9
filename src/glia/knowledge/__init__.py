"""Knowledge bases: documents in, cited passages out."""
