//! PostgreSQL, as an administrator looks into the services' schemas.

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

/// A database with the services' schemas.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
}

impl Database {
    /// The database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number that a query gives. Schema and table names are the tests' own, so the text is safe.
    ///
    /// # Errors
    /// What the database says.
    pub async fn number(&self, query: &str) -> Result<i64, String> {
        let options: PgConnectOptions = self.url.parse().map_err(|error: sqlx::Error| error.to_string())?;
        // Tables that live fast are full of dead rows, each of which such scans look at.
        let options = options.options([("enable_seqscan", "off"), ("enable_bitmapscan", "off")]);
        let mut connection = PgConnection::connect_with(&options).await.map_err(|error| error.to_string())?;
        let number = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await;
        number.map_err(|error| format!("{query}: {error}"))
    }

    /// Carries a statement out.
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute(&self, statement: &str) -> Result<(), String> {
        let mut connection = PgConnection::connect(&self.url).await.map_err(|error| error.to_string())?;
        let result = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await;
        result.map(drop).map_err(|error| format!("{statement}: {error}"))
    }

    /// Drops schemas with everything in them. What is not there is left.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_schemas(&self, schemas: &[String]) -> Result<(), String> {
        let mut connection = PgConnection::connect(&self.url).await.map_err(|error| error.to_string())?;
        for schema in schemas {
            let statement = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
            let result = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await;
            result.map_err(|error| format!("dropping {schema}: {error}"))?;
        }
        Ok(())
    }
}
