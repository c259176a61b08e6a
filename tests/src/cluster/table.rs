//! What `kubectl get` prints: the API server itself makes the columns.

use serde_json::Value;

use super::Cluster;

/// A table as the API server prints it, wide columns included.
#[derive(Debug)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Cluster {
    /// `kubectl get foodplatforms --all-namespaces --output wide`.
    ///
    /// # Panics
    /// When the API server does not answer with a table.
    pub async fn platform_table(&self) -> Table {
        let request = http::Request::get("/apis/foodplatform.dev/v1alpha1/foodplatforms")
            .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Vec::new())
            .expect("a request");
        Table::read(&self.client.request(request).await.expect("the API server answers"))
    }
}

impl Table {
    fn read(table: &Value) -> Self {
        assert_eq!(table["kind"], "Table", "{table}");
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        let rows = array(&table["rows"])
            .into_iter()
            .map(|row| (text(&row["object"]["metadata"]["name"]), array(&row["cells"]).iter().map(text).collect()));
        Self {
            columns: array(&table["columnDefinitions"]).iter().map(|column| text(&column["name"])).collect(),
            rows: rows.collect(),
        }
    }

    /// The columns' titles.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the row of `name` says in `column`.
    ///
    /// # Panics
    /// When there is no such row or column.
    pub fn cell(&self, name: &str, column: &str) -> &str {
        let row = self.rows.iter().find(|(row, _)| row == name);
        let index = self.columns.iter().position(|title| title == column);
        match (row, index) {
            (Some((_, cells)), Some(index)) => &cells[index],
            _ => panic!("no row {name} with a column {column} in {self:?}"),
        }
    }
}
