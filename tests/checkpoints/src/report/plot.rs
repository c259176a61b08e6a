//! A timeline as an SVG: answers in each second, failures, pods, and what was done when.

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::{FontStyle, register_font},
};

use crate::Timeline;

const SIZE: (u32, u32) = (1200, 420);
const FONT: &str = "sans-serif";
const ANSWERED: RGBColor = RGBColor(31, 119, 180);
const FAILED: RGBColor = RGBColor(192, 57, 43);
const PODS: [RGBColor; 5] =
    [RGBColor(44, 140, 60), RGBColor(140, 86, 175), RGBColor(214, 96, 39), RGBColor(90, 90, 90), RGBColor(0, 150, 150)];

/// Draws it.
///
/// # Errors
/// When it can't be drawn.
pub fn plot(timeline: &Timeline) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, timeline).map_err(|error| anyhow!("drawing a timeline: {error}"))?;
    Ok(text)
}

fn draw(text: &mut String, timeline: &Timeline) -> Result<(), Box<dyn std::error::Error>> {
    // How wide a text is can't be known without its font.
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font can't be read")?;
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let seconds = timeline.seconds.len().max(1) as f64;
    let most = timeline.seconds.iter().map(|second| second.answered.max(second.failed)).max().unwrap_or_default();
    let pods = timeline.pods.values().flatten().map(|(_, count)| *count).max().unwrap_or_default();
    let top = (most as f64 * 1.15).max(1.0);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .right_y_label_area_size(48)
        .build_cartesian_2d(0.0..seconds, 0.0..top)?
        .set_secondary_coord(0.0..seconds, 0.0..(pods as f64 + 1.0));
    chart.configure_mesh().x_desc("s").y_desc("requests/s").label_style((FONT, 13)).light_line_style(WHITE).draw()?;
    let by_second = |of: &dyn Fn(usize) -> usize| -> Vec<(f64, f64)> {
        (0..timeline.seconds.len()).map(|second| (second as f64 + 0.5, of(second) as f64)).collect()
    };
    let answered = by_second(&|second| timeline.seconds[second].answered);
    let failed = by_second(&|second| timeline.seconds[second].failed);
    for (name, points, color) in [("answered", answered, ANSWERED), ("failed", failed, FAILED)] {
        let line = LineSeries::new(points, color.stroke_width(2));
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 2)], color.filled()));
    }
    if pods > 0 {
        chart.configure_secondary_axes().y_desc("pods").label_style((FONT, 13)).draw()?;
    }
    for ((service, points), color) in timeline.pods.iter().zip(PODS.iter().cycle().copied()) {
        let points = points.iter().map(|(at, count)| (at.as_secs_f64(), *count as f64));
        let line = LineSeries::new(points, color.stroke_width(1));
        chart
            .draw_secondary_series(line)?
            .label(format!("pods of {service}"))
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 2)], color.filled()));
    }
    for (number, (at, what)) in timeline.marks.iter().enumerate() {
        let at = at.as_secs_f64();
        chart.draw_series(LineSeries::new([(at, 0.0), (at, top)], BLACK.mix(0.5)))?;
        // One below the other, for marks may be close.
        let height = top * (0.98 - 0.06 * (number % 4) as f64);
        chart.draw_series([Text::new(what.clone(), (at, height), (FONT, 13))])?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::tests::process::Service;

    use super::*;

    #[test]
    fn a_timeline_is_drawn_with_its_marks() {
        let mut timeline = Timeline::default();
        for second in 0..10 {
            timeline.count(Duration::from_secs(second), second == 5);
        }
        timeline.pods.insert(Service::Order, vec![(Duration::ZERO, 1), (Duration::from_secs(9), 3)]);
        timeline.marks.push((Duration::from_secs(4), "order killed".to_owned()));
        let drawn = plot(&timeline).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("order killed") && drawn.contains("pods of order"));
        plot(&Timeline::default()).unwrap();
    }
}
