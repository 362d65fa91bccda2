//! `CalendarService`: when a cron would fire, by the code that schedules.

use tonic::{Request, Response, Status};

use super::edge::wrong;
use crate::calendar::PreparedCron;
use crate::domain::{CronSchedule, FieldError};
use crate::jobtracker::JobTracker;
use crate::wire::pb::calendar_service_server::CalendarService;
use crate::wire::{pb, read_timestamp, timestamp};

/// The most instants of one preview.
const INSTANTS_MAX: usize = 1000;
const INSTANTS_DEFAULT: usize = 10;

pub(super) struct Calendar(pub(super) JobTracker);

#[tonic::async_trait]
impl CalendarService for Calendar {
    async fn preview_cron(
        &self,
        request: Request<pb::PreviewCronRequest>,
    ) -> Result<Response<pb::PreviewCronResponse>, Status> {
        let request = request.into_inner();
        let cron = request.cron.ok_or_else(|| wrong(vec![FieldError::new("cron", "is missing")]))?;
        let cron = schedule(cron);
        let after = match request.after_time {
            Some(at) => {
                read_timestamp(at).map_err(|problem| wrong(vec![FieldError::new("after_time", problem)]))?
            }
            None => self.0.clock().wall(),
        };
        let count = usize::try_from(request.count).unwrap_or(0).min(INSTANTS_MAX);
        let count = if count == 0 { INSTANTS_DEFAULT } else { count };
        let calendar = PreparedCron::new(&cron).map_err(wrong)?.anchored_at(after);
        let instants = calendar.next_after(after, count).into_iter();
        let instants =
            instants.map(|at| pb::CronInstant { time: Some(timestamp(at)), local_time: calendar.local(at) });
        Ok(Response::new(pb::PreviewCronResponse {
            instants: instants.collect(),
            description: calendar.words(),
            dialect: String::new(),
        }))
    }
}

/// The same defaults as a submitted job's; the calendar checks expression and zone.
pub(super) fn schedule(cron: pb::CronSchedule) -> CronSchedule {
    let dst = cron.dst().to_domain().unwrap_or_default();
    let time_zone = if cron.time_zone.is_empty() { "UTC".to_owned() } else { cron.time_zone };
    CronSchedule { expression: cron.expression, time_zone, dst }
}
