/** Whether the trash is looked into: the run list's menu, a run's own and the palette open it. */
export const bin = $state({ open: false });
