//! What librdkafka's admin client can do and its Rust wrapper doesn't offer: topics with their ids and replicas, and
//! changes of single settings.
//!
//! Source: librdkafka's `rdkafka.h`, "Admin API" (`rd_kafka_DescribeTopics`, `rd_kafka_IncrementalAlterConfigs`). A
//! request is put on a queue of its own, and the one event that comes back holds the answer. Everything here blocks.

#![expect(unsafe_code, reason = "calls of a C library; each is explained where it is made")]

use std::{
    ffi::{CStr, CString, NulError, c_char, c_int},
    iter,
    ptr::{self, NonNull},
    slice,
    time::Duration,
};

use rdkafka::{
    ClientContext,
    bindings::{self as c, rd_kafka_admin_op_t as Operation},
    client::Client,
    error::RDKafkaErrorCode,
    types::RDKafkaRespErr,
};

/// A topic as Kafka describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Described {
    /// Kafka's id of it: another one under the same name is another topic.
    pub id: String,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many copies the first partition has.
    pub replication_factor: usize,
    /// How many partitions have fewer copies in sync than they have copies.
    pub under_replicated: usize,
}

/// Describes topics, in the sequence of `names`; `None` for one that isn't there.
///
/// # Errors
/// When Kafka gives no answer, or says no to one of them.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    limit: Duration,
) -> Result<Vec<Option<Described>>, RDKafkaErrorCode> {
    let owned = c_strings(names.iter().copied())?;
    let mut pointers: Vec<*const c_char> = owned.iter().map(|name| name.as_ptr()).collect();
    let request = Request::new(client, Operation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limit)?;
    // SAFETY: the names live as long as this function and are copied by the call.
    let topics = unsafe { c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let topics = Owned::new(topics, c::rd_kafka_TopicCollection_destroy)?;
    // SAFETY: all four are live; the collection is copied by the call.
    unsafe { c::rd_kafka_DescribeTopics(request.client, topics.get(), request.options.get(), request.queue.get()) };
    let event = request.wait(limit)?;
    // SAFETY: the result and all below it belong to the event, which outlives their use.
    unsafe {
        let result = c::rd_kafka_event_DescribeTopics_result(event.get());
        let described = list(|count| c::rd_kafka_DescribeTopics_result_topics(result, count));
        let by_name = |name: &&CString| {
            described
                .iter()
                .copied()
                .find(|topic| CStr::from_ptr(c::rd_kafka_TopicDescription_name(*topic)) == name.as_c_str())
        };
        owned.iter().map(|name| by_name(&name).map_or(Ok(None), |topic| one(topic))).collect()
    }
}

/// # Safety
/// The topic is alive.
unsafe fn one(topic: *const c::rd_kafka_TopicDescription_t) -> Result<Option<Described>, RDKafkaErrorCode> {
    // SAFETY: what is read belongs to the topic.
    unsafe {
        let error = c::rd_kafka_TopicDescription_error(topic);
        match if error.is_null() { RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR } else { c::rd_kafka_error_code(error) } {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Ok(None),
            code => return Err(code.into()),
        }
        let id = CStr::from_ptr(c::rd_kafka_Uuid_base64str(c::rd_kafka_TopicDescription_topic_id(topic)));
        let partitions = list(|count| c::rd_kafka_TopicDescription_partitions(topic, count));
        let replicas = |partition| list(|count| c::rd_kafka_TopicPartitionInfo_replicas(partition, count)).len();
        let in_sync = |partition| list(|count| c::rd_kafka_TopicPartitionInfo_isr(partition, count)).len();
        Ok(Some(Described {
            id: id.to_string_lossy().into_owned(),
            partitions: partitions.len(),
            replication_factor: partitions.first().map_or(0, |first| replicas(*first)),
            under_replicated: partitions
                .iter()
                .filter(|partition| in_sync(**partition) < replicas(**partition))
                .count(),
        }))
    }
}

/// Changes settings of one topic, to a value or (`None`) to the brokers' default; those that aren't named stay as they are,
/// whoever made them (KIP-339).
///
/// # Errors
/// When Kafka gives no answer, or says no: then with its words, if it has any.
pub(super) fn configure<'a, C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    settings: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    limit: Duration,
) -> Result<(), (RDKafkaErrorCode, Option<String>)> {
    let plain = |code| (code, None);
    let request = Request::new(client, Operation::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, limit).map_err(plain)?;
    let name = c_strings([topic]).map_err(plain)?;
    // SAFETY: the name is copied by the call.
    let resource = unsafe {
        c::rd_kafka_ConfigResource_new(c::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name[0].as_ptr())
    };
    let resource = Owned::new(resource, c::rd_kafka_ConfigResource_destroy).map_err(plain)?;
    for (key, value) in settings {
        let pair = c_strings([key, value.unwrap_or_default()]).map_err(plain)?;
        // SAFETY: the resource is live, and the strings are copied; the error, if any, is ours.
        unsafe {
            let (operation, value) = match value {
                Some(_) => (c::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, pair[1].as_ptr()),
                None => (c::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE, ptr::null()),
            };
            let error =
                c::rd_kafka_ConfigResource_add_incremental_config(resource.get(), pair[0].as_ptr(), operation, value);
            if !error.is_null() {
                let code = c::rd_kafka_error_code(error);
                c::rd_kafka_error_destroy(error);
                return Err(plain(code.into()));
            }
        }
    }
    let mut resources = [resource.get()];
    // SAFETY: all are live; the resources are copied by the call.
    unsafe {
        c::rd_kafka_IncrementalAlterConfigs(
            request.client,
            resources.as_mut_ptr(),
            resources.len(),
            request.options.get(),
            request.queue.get(),
        );
    }
    let event = request.wait(limit).map_err(plain)?;
    // SAFETY: the result and all below it belong to the event, which outlives their use.
    unsafe {
        let result = c::rd_kafka_event_IncrementalAlterConfigs_result(event.get());
        for resource in list(|count| c::rd_kafka_IncrementalAlterConfigs_result_resources(result, count)) {
            let code = c::rd_kafka_ConfigResource_error(*resource);
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                let words = c::rd_kafka_ConfigResource_error_string(*resource);
                let words = (!words.is_null()).then(|| CStr::from_ptr(words).to_string_lossy().into_owned());
                return Err((code.into(), words));
            }
        }
    }
    Ok(())
}

/// What a client has complained of since it was last asked, such as a broker that it can't talk to. Of that no request's
/// answer tells.
pub(super) fn complaints<C: ClientContext>(client: &Client<C>) -> Vec<String> {
    // SAFETY: the client is live, and so is its main queue, which nobody else takes anything from.
    let queue = unsafe { c::rd_kafka_queue_get_main(client.native_ptr()) };
    let Ok(queue) = Owned::new(queue, c::rd_kafka_queue_destroy) else { return Vec::new() };
    // SAFETY: the queue is live; each event is ours.
    let events =
        iter::from_fn(|| Owned::new(unsafe { c::rd_kafka_queue_poll(queue.get(), 0) }, c::rd_kafka_event_destroy).ok());
    // SAFETY: the event is live, and so is its text as long as that.
    let text = |event: Owned<c::rd_kafka_event_t>| unsafe {
        let words = c::rd_kafka_event_error_string(event.get());
        (!words.is_null()).then(|| CStr::from_ptr(words).to_string_lossy().into_owned())
    };
    // SAFETY: the event is live.
    let is_error =
        |event: &Owned<c::rd_kafka_event_t>| unsafe { c::rd_kafka_event_type(event.get()) == c::RD_KAFKA_EVENT_ERROR };
    events.filter(is_error).filter_map(text).collect()
}

/// A request, from its options to its answer.
struct Request {
    client: *mut c::rd_kafka_t,
    options: Owned<c::rd_kafka_AdminOptions_t>,
    queue: Owned<c::rd_kafka_queue_t>,
}

impl Request {
    fn new<C: ClientContext>(
        client: &Client<C>,
        operation: Operation,
        limit: Duration,
    ) -> Result<Self, RDKafkaErrorCode> {
        let client = client.native_ptr();
        // SAFETY: the client lives longer than the request, which stays in the function that borrows the client.
        let (options, queue) =
            unsafe { (c::rd_kafka_AdminOptions_new(client, operation), c::rd_kafka_queue_new(client)) };
        let options = Owned::new(options, c::rd_kafka_AdminOptions_destroy)?;
        let queue = Owned::new(queue, c::rd_kafka_queue_destroy)?;
        let mut words: [c_char; 256] = [0; 256];
        // SAFETY: the buffer is as long as is said.
        let code = unsafe {
            c::rd_kafka_AdminOptions_set_request_timeout(options.get(), millis(limit), words.as_mut_ptr(), words.len())
        };
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Self { client, options, queue }),
            code => Err(code.into()),
        }
    }

    /// The event that answers.
    fn wait(&self, limit: Duration) -> Result<Owned<c::rd_kafka_event_t>, RDKafkaErrorCode> {
        // librdkafka itself answers with an error in time; the rest is for its getting here.
        let patience = limit.saturating_add(Duration::from_secs(1));
        // SAFETY: the queue is live; the event is ours.
        let event = unsafe { c::rd_kafka_queue_poll(self.queue.get(), millis(patience)) };
        let event = Owned::new(event, c::rd_kafka_event_destroy).map_err(|_| RDKafkaErrorCode::OperationTimedOut)?;
        // SAFETY: the event is live.
        match unsafe { c::rd_kafka_event_error(event.get()) } {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
            code => Err(code.into()),
        }
    }
}

/// A C object that is ours to destroy.
struct Owned<T> {
    object: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// # Errors
    /// When there is no object: the library had no memory, or doesn't know what was asked for.
    fn new(object: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, RDKafkaErrorCode> {
        NonNull::new(object).map(|object| Self { object, destroy }).ok_or(RDKafkaErrorCode::Fail)
    }

    const fn get(&self) -> *mut T {
        self.object.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the object is live and nobody else's, and `destroy` is its own.
        unsafe { (self.destroy)(self.object.as_ptr()) }
    }
}

/// A list that the library gives by a pointer and a count.
///
/// # Safety
/// The list lives as long as what it is part of, which the caller keeps.
unsafe fn list<'a, T>(get: impl FnOnce(*mut usize) -> *mut *const T) -> &'a [*const T] {
    let mut count = 0;
    let first = get(&raw mut count);
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the library says that there are so many.
    unsafe { slice::from_raw_parts(first, count) }
}

fn c_strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<CString>, RDKafkaErrorCode> {
    let strings: Result<_, NulError> = texts.into_iter().map(CString::new).collect();
    strings.map_err(|_| RDKafkaErrorCode::InvalidArgument)
}

fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}
