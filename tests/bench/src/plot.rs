//! The plot: a PNG, drawn with a font that comes along.

use std::{ops::Range, path::Path};

use anyhow::{Result, anyhow};
use plotters::{
    coord::types::RangedCoordf64,
    prelude::*,
    style::{FontStyle, register_font},
};

use ::tests::process::Service;

use crate::{
    backlog::{History, Look},
    report::Cost,
    tally::Times,
};

const SIZE: (u32, u32) = (1400, 1000);
const FONT: &str = "sans-serif";
const COLORS: [RGBColor; 5] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 96, 39),
    RGBColor(44, 140, 60),
    RGBColor(140, 86, 175),
    RGBColor(120, 120, 120),
];

/// What is drawn, beside the costs.
#[derive(Debug, Default)]
pub(crate) struct Plots {
    /// Orders taken in each second, by the way that they went.
    pub(crate) rates: Vec<(&'static str, Vec<u64>)>,
    /// What was left to do while they were taken, and after.
    pub(crate) backlog: History,
    /// How long what took.
    pub(crate) times: Vec<(&'static str, Times)>,
}

/// How heights are drawn.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

impl Scale {
    /// The least that is told apart on a logarithmic scale.
    const LEAST: f64 = 0.1;

    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => (value.max(Self::LEAST) / Self::LEAST).log10(),
        }
    }

    fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Logarithmic => Self::LEAST * 10_f64.powf(place),
        }
    }
}

/// A name, and points from left to right.
pub(crate) type Line = (String, Vec<(f64, f64)>);
type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Writes the plot of what goes through to `file`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw(file: &Path, plots: &Plots, costs: &[Cost]) -> Result<()> {
    let root = canvas(file, SIZE)?;
    let [rates, backlog, times, bars] = &root.split_evenly((2, 2))[..] else {
        return Err(anyhow!("four areas were asked for"));
    };
    let of_rates: Vec<_> = plots.rates.iter().map(|(name, counts)| ((*name).to_owned(), by_second(counts))).collect();
    let legend = SeriesLabelPosition::LowerRight;
    let diagram = Diagram { caption: "Orders taken, orders/s", unit: "s", scale: Scale::Linear, legend };
    diagram.draw(rates, &of_rates)?;

    let line = |name: String, value: &dyn Fn(&Look) -> i64| -> Line {
        (name, plots.backlog.looks.iter().map(|look| (look.at.as_secs_f64(), value(look) as f64)).collect())
    };
    let mut of_backlog = vec![line("rows of the outboxes".to_owned(), &|look| look.rows())];
    for service in [Service::Order, Service::Cook, Service::Delivery, Service::Mypage] {
        of_backlog.push(line(format!("messages that {service} has not done"), &|look| look.lag(service)));
    }
    let caption = "Left to do at saturation, until all was done";
    let diagram = Diagram { caption, unit: "s", scale: Scale::Linear, legend: SeriesLabelPosition::UpperRight };
    diagram.draw(backlog, &of_backlog)?;

    let of_times: Vec<_> = plots.times.iter().map(|(name, times)| ((*name).to_owned(), curve(times))).collect();
    let caption = "Time that so many percent stayed within, ms";
    let legend = SeriesLabelPosition::LowerRight;
    Diagram { caption, unit: "%", scale: Scale::Logarithmic, legend }.draw(times, &of_times)?;

    costs_of(bars, costs)?;
    root.present()?;
    Ok(())
}

/// Writes the plot of a soak to `file`: what each service holds, and what is left to do.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw_soak(file: &Path, memory: &[Line], backlog: &[Line]) -> Result<()> {
    let root = canvas(file, (SIZE.0, SIZE.1 / 2))?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    let legend = SeriesLabelPosition::LowerRight;
    Diagram { caption: "Resident memory, MB", unit: "s", scale: Scale::Linear, legend }.draw(&left, memory)?;
    let legend = SeriesLabelPosition::UpperRight;
    Diagram { caption: "Left to do", unit: "s", scale: Scale::Linear, legend }.draw(&right, backlog)?;
    root.present()?;
    Ok(())
}

/// Writes the plot of the operator to `file`: how long so many platforms take, and what they take of memory.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw_operator(file: &Path, times: &[Line], memory: &[Line]) -> Result<()> {
    let root = canvas(file, (SIZE.0, SIZE.1 / 2))?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    let diagram =
        |caption| Diagram { caption, unit: "platforms", scale: Scale::Linear, legend: SeriesLabelPosition::LowerRight };
    diagram("Until every child exists, s").draw(&left, times)?;
    diagram("Resident memory, MB").draw(&right, memory)?;
    root.present()?;
    Ok(())
}

/// A white plane.
fn canvas(file: &Path, size: (u32, u32)) -> Result<Area<'_>> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| anyhow!("the font is not one"))?;
    let root = BitMapBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    Ok(root)
}

/// Orders in each whole second: the last was cut off.
fn by_second(counts: &[u64]) -> Vec<(f64, f64)> {
    let whole = &counts[..counts.len().saturating_sub(1)];
    whole.iter().enumerate().map(|(second, count)| (second as f64, *count as f64)).collect()
}

/// The percentiles from 0 to 99.9.
fn curve(times: &Times) -> Vec<(f64, f64)> {
    (0..=999).map(|tenths| f64::from(tenths) / 10.0).map(|percent| (percent, times.percentile(percent))).collect()
}

/// A diagram of lines.
struct Diagram {
    caption: &'static str,
    /// Of what goes to the right.
    unit: &'static str,
    scale: Scale,
    /// Where lines are named: where few of them are.
    legend: SeriesLabelPosition,
}

impl Diagram {
    fn draw(self, area: &Area<'_>, lines: &[Line]) -> Result<()> {
        let Self { caption, unit, scale, legend } = self;
        let points = || lines.iter().flat_map(|(_, points)| points);
        let range = |most: f64| -> Range<f64> { 0.0..(most * 1.05).max(1.0) };
        let wide = points().map(|point| point.0).fold(0.0, f64::max);
        let high = points().map(|point| scale.place(point.1)).fold(0.0, f64::max);
        let mut chart = chart(area, caption, range(wide), range(high))?;
        let label_of = |place: &f64| label(scale.value(*place));
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(unit).y_label_formatter(&label_of);
        mesh.label_style((FONT, 15)).axis_desc_style((FONT, 15)).light_line_style(WHITE).draw()?;
        for ((name, points), color) in lines.iter().zip(COLORS.iter().cycle()) {
            let points = points.iter().map(|(x, y)| (*x, scale.place(*y)));
            let sign = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2));
            chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?.label(name).legend(sign);
        }
        let mut labels = chart.configure_series_labels();
        labels.position(legend).label_font((FONT, 15)).background_style(WHITE.mix(0.8)).draw()?;
        Ok(())
    }
}

fn label(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// A bar for the processor time of each process.
fn costs_of(area: &Area<'_>, costs: &[Cost]) -> Result<()> {
    let seconds = |cost: &Cost| cost.cpu.as_secs_f64();
    let most = costs.iter().map(seconds).fold(0.0, f64::max).max(0.1);
    let mut chart = chart(area, "Processor time over the load, s", 0.0..costs.len().max(1) as f64, 0.0..most * 1.1)?;
    chart.configure_mesh().disable_x_mesh().disable_x_axis().label_style((FONT, 15)).light_line_style(WHITE).draw()?;
    for (at, cost) in costs.iter().enumerate() {
        let (left, high) = (at as f64 + 0.15, seconds(cost));
        let bar = Rectangle::new([(left, 0.0), (left + 0.7, high)], COLORS[0].filled());
        let name = Text::new(cost.name.clone(), (left, high + most * 0.05), (FONT, 15));
        chart.draw_series([bar])?;
        chart.draw_series([name])?;
    }
    Ok(())
}

fn chart<'a, 'b>(area: &'a Area<'b>, caption: &str, x: Range<f64>, y: Range<f64>) -> Result<Chart<'a, 'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.caption(caption, (FONT, 20)).margin(12).x_label_area_size(40).y_label_area_size(70);
    Ok(builder.build_cartesian_2d(x, y)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_plot_is_drawn_without_any_font_of_the_machine() {
        let mut times = Times::default();
        (1..500).for_each(|n| times.record(Duration::from_micros(n * n)));
        let looks = (0..9).map(|n| Look {
            at: Duration::from_secs(n),
            outboxes: vec![(Service::Order, 40 - 5 * n as i64)],
            lags: vec![(Service::Mypage, 7 * n as i64)],
        });
        let plots = Plots {
            rates: vec![("through the gateway", vec![900, 1200, 1100, 3]), ("straight to order", vec![1500, 1600, 2])],
            backlog: History { looks: looks.collect(), drained: Duration::ZERO },
            times: vec![("half of saturation", times)],
        };
        let costs =
            ["order", "cook"].map(|name| Cost { name: name.to_owned(), cpu: Duration::from_secs(3), memory: None });
        let directory = tempfile::tempdir().unwrap();
        for (name, plots, costs) in [("full.png", &plots, &costs[..]), ("empty.png", &Plots::default(), &[])] {
            let file = directory.path().join(name);
            draw(&file, plots, costs).unwrap();
            assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG"), "{name}");
        }
        let line: Line = ("order".to_owned(), vec![(0.0, 11.5), (10.0, 12.0)]);
        let soak = directory.path().join("soak.png");
        draw_soak(&soak, &[line], &[]).unwrap();
        assert!(std::fs::read(&soak).unwrap().starts_with(b"\x89PNG"));
        let operator = directory.path().join("operator.png");
        let line: Line = ("the operator".to_owned(), vec![(100.0, 4.0), (1000.0, 40.0)]);
        draw_operator(&operator, std::slice::from_ref(&line), std::slice::from_ref(&line)).unwrap();
        assert!(std::fs::read(&operator).unwrap().starts_with(b"\x89PNG"));
        if let Some(keep) = std::env::var_os("BENCH_KEEP_PLOT") {
            std::fs::copy(directory.path().join("full.png"), keep).unwrap();
        }
    }
}
