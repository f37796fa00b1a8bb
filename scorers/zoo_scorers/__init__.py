"""The predictors of attributes that come with zoo, a folder each."""
