//! Routes as a table: the method and path template of each call, and the handler that answers it. Knows no provider.

use hyper::http::Method;

use super::Simulator;
use super::fields::Fields;
use crate::domain::WallTime;
use crate::http_server::{Request, Response};

/// A handler's answer, or the error response in its place; boxed because it is large.
pub type Answer<T = Response> = Result<T, Box<Response>>;

/// One route of a provider whose state is an `S`.
pub struct Route<S, A = Answer> {
    /// HTTP method; GET answers HEAD too.
    pub method: &'static str,
    /// Path; `{name}` is one segment, which is not empty.
    pub path: &'static str,
    /// The purpose, for the index page.
    pub about: &'static str,
    pub handler: fn(&mut Call<'_, S>) -> A,
}

pub type Handler<S, A> = fn(&mut Call<'_, S>) -> A;

const fn new<S, A>(
    method: &'static str,
    path: &'static str,
    handler: Handler<S, A>,
) -> Route<S, A> {
    Route {
        method,
        path,
        about: "",
        handler,
    }
}

/// A route that reads.
pub const fn get<S, A>(path: &'static str, handler: Handler<S, A>) -> Route<S, A> {
    new("GET", path, handler)
}

/// A route that makes something.
pub const fn post<S, A>(path: &'static str, handler: Handler<S, A>) -> Route<S, A> {
    new("POST", path, handler)
}

/// A route that replaces something.
pub const fn put<S, A>(path: &'static str, handler: Handler<S, A>) -> Route<S, A> {
    new("PUT", path, handler)
}

/// A route that changes something.
pub const fn patch<S, A>(path: &'static str, handler: Handler<S, A>) -> Route<S, A> {
    new("PATCH", path, handler)
}

/// A route that deletes something.
pub const fn delete<S, A>(path: &'static str, handler: Handler<S, A>) -> Route<S, A> {
    new("DELETE", path, handler)
}

impl<S, A> Route<S, A> {
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}

/// One request with everything its handler needs.
pub struct Call<'a, S> {
    pub state: &'a mut S,
    pub request: &'a Request,
    /// Seed, start and callback URLs.
    pub simulator: &'a Simulator,
    pub now: WallTime,
    /// The number of the account that made the call, once it is authenticated.
    pub caller: usize,
    params: Params<'a>,
}

type Params<'a> = Vec<(&'static str, &'a str)>;

impl<'a, S> Call<'a, S> {
    /// A request that is not routed yet.
    pub fn new(state: &'a mut S, request: &'a Request, simulator: &'a Simulator) -> Self {
        Self {
            state,
            request,
            simulator,
            now: simulator.now(),
            caller: 0,
            params: Vec::new(),
        }
    }

    /// A segment by its name in the route's path; empty where the path has none of this name.
    pub fn param(&self, name: &str) -> &'a str {
        let mut params = self.params.iter();
        params
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    }

    pub fn query(&self) -> Fields {
        Fields::of_query(self.request)
    }

    /// Whether the method is one that changes nothing.
    pub fn reads(&self) -> bool {
        reads(self.request)
    }

    /// Answers by the route of `table` for this method and path.
    ///
    /// # Errors
    /// If the table has no such path, or not with this method.
    pub fn route<A>(&mut self, table: &[Route<S, A>], path: &'a str) -> Result<A, NoRoute> {
        let covers = |route: &&Route<S, A>| segments(route.path, path).is_some();
        let known: Vec<_> = table.iter().filter(covers).collect();
        let method = match *self.request.method() {
            Method::HEAD => "GET",
            ref other => other.as_str(),
        };
        // In the table's order: a path without braces stands before one with.
        let Some(route) = known.iter().find(|route| route.method == method) else {
            let methods: Vec<_> = known.iter().map(|route| route.method).collect();
            return Err(match methods.as_slice() {
                [] => NoRoute::Path,
                methods => NoRoute::Method(methods.join(", ").replace("GET", "GET, HEAD")),
            });
        };
        self.params = segments(route.path, path).unwrap_or_default();
        Ok((route.handler)(self))
    }
}

/// Why no route answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    Path,
    /// The path takes other methods: these, as `Allow` lists them.
    Method(String),
}

/// Whether the method is one that changes nothing.
pub fn reads(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Whether a table has this path, with any method.
pub fn knows<S, A>(table: &[Route<S, A>], path: &str) -> bool {
    table
        .iter()
        .any(|route| segments(route.path, path).is_some())
}

/// The routes that have a purpose, for the index page.
pub fn listed<S, A>(table: &[Route<S, A>]) -> Vec<(&'static str, String, &'static str)> {
    let shown = table.iter().filter(|route| !route.about.is_empty());
    shown
        .map(|route| (route.method, route.path.to_owned(), route.about))
        .collect()
}

/// The segments in the braces of a template that covers this path.
fn segments<'p>(template: &'static str, path: &'p str) -> Option<Params<'p>> {
    let (mut known, mut given) = (template.split('/'), path.split('/'));
    let mut params = Vec::new();
    loop {
        match (known.next(), given.next()) {
            (None, None) => return Some(params),
            (Some(own), Some(part)) if own == part => {}
            (Some(own), Some(part)) if !part.is_empty() => {
                let name = own.strip_prefix('{')?.strip_suffix('}')?;
                params.push((name, part));
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_covers_the_paths_of_its_shape_and_names_their_segments() {
        let offer = |path| segments("/offers/{offer}/stock/{key}", path);
        let both = vec![("offer", "7"), ("key", "a b")];
        assert_eq!(offer("/offers/7/stock/a b"), Some(both));
        for other in [
            "/offers/7/stock",
            "/offers//stock/1",
            "/offers/7/stock/",
            "/offers/7/keys/1",
            "/offers/7/stock/1/2",
        ] {
            assert_eq!(offer(other), None, "{other}");
        }
        assert_eq!(segments("/offers", "/offers"), Some(Vec::new()));
    }
}
