/** How a connection begins, and what to call when it has closed. */
export interface ConnStart {
  /**
   * When it begins to read: at once, as a server's connections do; once its user has had it and
   * not paused it, as a client's do; or when its user resumes it, since it begins paused.
   */
  reads: 'now' | 'soon' | 'paused';
  /** Called once, when it has closed, before 'close'. A listener could be removed or counted. */
  closed: () => void;
}
