export { ChartGroup, useAxis, type Band } from './group';
export { LineChart, type LineSeries } from './line';
export { Sparkline } from './sparkline';
export { StackChart, type StackSeries } from './stack';
