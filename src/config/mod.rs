//! stub
/// c
#[derive(Debug, Clone)]
pub struct Config {
    /// j
    pub jobs: Jobs,
}
/// j
#[derive(Debug, Clone)]
pub struct Jobs {
    /// w
    pub workers: usize,
    /// c
    pub claim_seconds: u64,
}
impl Jobs {
    /// c
    pub fn claim(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.claim_seconds)
    }
}
