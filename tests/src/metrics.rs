//! Reading a process's own metrics: Prometheus's text format, as far as these tests need it.

/// One scrape.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Scrapes `url`, for instance `http://127.0.0.1:9090/metrics`.
    ///
    /// # Errors
    /// What went wrong, as text.
    pub async fn scrape(url: &str) -> Result<Self, String> {
        let response = reqwest::get(url).await.map_err(|error| format!("{url}: {error}"))?;
        let response = response.error_for_status().map_err(|error| error.to_string())?;
        response.text().await.map(Self).map_err(|error| format!("{url}: {error}"))
    }

    /// The sum of all samples of the metric `name`, whatever their labels; `None` if there is no sample.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.sum_where(name, |_| true)
    }

    /// Likewise, of those samples alone that have the label, such as `upstream="order"`.
    pub fn labelled(&self, name: &str, label: &str) -> Option<f64> {
        self.sum_where(name, |labels| labels.split(',').any(|own| own == label))
    }

    /// The lines that hold this text.
    pub fn lines_with<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter(move |line| line.contains(text))
    }

    fn sum_where(&self, name: &str, holds: impl Fn(&str) -> bool) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(labelled) => labelled.rsplit_once('}')?,
                None => ("", rest.strip_prefix(' ')?),
            };
            if holds(labels) { value.split_whitespace().next()?.parse::<f64>().ok() } else { None }
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// The sum of all samples of the metric `name`.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.sum(name).unwrap_or_else(|| panic!("no metric {name} in:\n{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_their_whole_name() {
        let metrics = Metrics("# TYPE a gauge\na 1.5\na_b 7\nc{x=\"1 2\"} 2\nc{x=\"}\"} 3 1700000000\n".to_owned());
        assert_eq!(metrics.sum("a"), Some(1.5));
        assert_eq!(metrics.sum("c"), Some(5.0));
        assert_eq!(metrics.sum("b"), None);
        let metrics = Metrics("a{of=\"x\",is=\"1\"} 2\na{of=\"x\"} 4\na{of=\"xy\"} 8\na 16\n".to_owned());
        assert_eq!((metrics.labelled("a", "of=\"x\""), metrics.labelled("a", "of=\"z\"")), (Some(6.0), None));
    }
}
