import * as echarts from 'echarts';
import { type Results, select, spread } from '../results.js';
import { bytes, count } from './format.js';

const width = 900;
const height = 520;

/** Lines of the chart, from the fastest on small messages to the slowest. */
const drawn = [
  'cpp-corked',
  'cpp',
  'ring-corked',
  'ring',
  'ring-copied',
  'unix-socket',
  'process-send-json',
  'process-send-advanced',
];

// By Okabe and Ito: colour-blind readers can distinguish them too.
const colours = [
  '#999999',
  '#555555',
  '#d55e00',
  '#e69f00',
  '#009e73',
  '#0072b2',
  '#cc79a7',
  '#56b4e9',
];

/** Messages per second by size between processes, as SVG. */
export function chart(results: Results): string {
  const all = select(results, 'throughput');
  const sizes = [...new Set(all.map(({ size }) => size))].sort((a, b) => a - b);
  const series = drawn.flatMap((transport, index) => {
    const points = all.filter(measurement => measurement.transport === transport);
    if (points.length === 0) return [];
    return {
      type: 'line' as const,
      name: points[0]!.label,
      color: colours[index]!,
      lineStyle: { width: 2, type: transport.startsWith('cpp') ? 'dashed' : 'solid' } as const,
      symbolSize: 7,
      data: points.map(point => [
        sizes.indexOf(point.size),
        Math.round(spread(point, 'messagesPerSecond').median),
      ]),
    };
  });

  const { environment } = results;
  const drawing = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  drawing.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: {
      text: 'Messages per second between two processes',
      subtext: `${environment.processor}, ${environment.cores} cores, Node ${environment.node}`,
      left: 'center',
    },
    legend: { right: 10, top: 'middle', orient: 'vertical', icon: 'roundRect' },
    grid: { left: 70, right: 210, top: 70, bottom: 50 },
    xAxis: {
      type: 'category',
      name: 'bytes per message',
      nameLocation: 'middle',
      nameGap: 30,
      boundaryGap: false,
      data: sizes.map(bytes),
    },
    yAxis: { type: 'log', axisLabel: { formatter: (value: number) => count(value) } },
    series,
  });
  const svg = drawing.renderToSVGString();
  drawing.dispose();
  return `${svg}\n`;
}
