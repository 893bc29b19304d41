"""Guest sources in, images out: Keystone behind a front end that knows files and lines."""
