export interface Tick {
  readonly symbol: string;
  readonly price: number;
}
