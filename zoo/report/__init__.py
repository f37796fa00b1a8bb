"""What a person looks at after an analysis: `sheet.png` and `report.html`."""
